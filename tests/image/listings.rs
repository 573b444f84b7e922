//! Directories of many files, and paths that are not there: the same answers as Pulp's own, and changes are seen at once.

use serde_json::json;

use crate::harness::{Api, Boot, Pulp, alone, curl};

/// Content without files, as many that their listing is ours, and a version of the repository that has it.
const MANY: &str = "
import hashlib
from django.db import connection
from pulp_file.app.models import FileContent, FileRemote, FileRepository
from pulpcore.app.models import ContentArtifact, RemoteArtifact
with connection.cursor() as cursor:
    cursor.execute('''
create temporary table made as select gen_random_uuid() as content, (select pulp_id from core_domain) as domain,
    case when n % 2 = 0 then 'many/' else '' end || lpad(n::text, 6, '0') || ' & <' as name from generate_series(1, 5000) as n;
insert into core_content (pulp_id, pulp_created, pulp_type, timestamp_of_interest, pulp_domain_id, pulp_labels)
    select content, now(), 'file.file', now(), domain, '' from made;
insert into file_filecontent (content_ptr_id, relative_path, digest, _pulp_domain_id)
    select content, name, md5(name), domain from made;
insert into core_contentartifact (pulp_id, pulp_created, relative_path, artifact_id, content_id)
    select gen_random_uuid(), now(), name, (select pulp_id from core_artifact where name not like '%7 %' limit 1), content from made''')
remote = FileRemote.objects.create(name='listed', url='http://source.example.com/')
for row in ContentArtifact.objects.filter(artifact=None):
    # Of some nobody knows the size.
    number = int(row.relative_path[-10:-4])
    size = number * 997 if number % 100 != 17 else None
    RemoteArtifact.objects.create(remote=remote, content_artifact=row, url='http://source.example.com/x', size=size, sha256=64 * '0')
with FileRepository.objects.get(name='listed').new_version() as version:
    version.add_content(FileContent.objects.all())
";

/// What Pulp's own code says of each directory, and what ours does: names, dates, sizes, and the page.
const COMPARE: &str = "
import asyncio, importlib.util
from pulpcore.app.models import Publication
from pulpcore.content.handler import Handler
spec = importlib.util.spec_from_file_location('listings', '/usr/lib/pulp/listings.py')
ours = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ours)
compared = 0
for publication in Publication.objects.all():
    for version, of in ((None, publication), (publication.repository_version, None)):
        for path in ('', 'a/', 'many/', 'many/none/'):
            names, dates, sizes = asyncio.run(Handler().list_directory(version, of, path))
            found = ours.entries(version, of, path, 1 << 60)
            assert found == (names, dates, sizes), path
            begins, end, ends = Handler.render_html([], path='/x/').rpartition('</pre>')
            lines = ours.entries(version, of, path, 0)
            lines = lines.rows.decode() if names else ''
            assert begins + lines + end + ends == Handler.render_html(names, path='/x/', dates=dates, sizes=sizes), path
            compared += 1
from django.db import connection
from jinja2.filters import do_filesizeformat
# Where units change, and what is halfway between two tenths.
sizes = [10 ** power + more for power in range(19) for more in (-1, 0, 1)] + [50 * odd for odd in range(1, 40000, 2)] + [2 ** 63 - 1]
with connection.cursor() as cursor:
    cursor.execute(f'SELECT size, {ours.SIZE} FROM unnest(%s::bigint[]) AS all_of_them(size)', [sizes])
    assert all(text == do_filesizeformat(size) for size, text in cursor.fetchall())
print('compared', compared)
";

fn shell(pulp: &Pulp, script: &str) -> String {
    pulp.ok(&["pulpcore-manager", "shell", "--no-imports", "-c", script])
}

fn links(page: &[u8]) -> usize {
    String::from_utf8_lossy(page).matches("<a href=").count()
}

#[test]
fn listings_of_many_files_are_pulps_own_and_changes_are_seen_at_once() {
    let _turn = alone();
    let pulp = Boot::new("listings").env("PULP_DEFAULT_ADMIN_PASSWORD", "secret").ready();
    let api = Api::admin(&pulp, "secret");
    api.publish_file("listed", b"some bytes");
    let found = |kind: &str| {
        let found = api.get(&format!("/pulp/api/v3/{kind}/file/file/?name=listed")).expect(200).json();
        found["results"][0]["pulp_href"].as_str().unwrap().to_owned()
    };
    let (repository, distribution) = (found("repositories"), found("distributions"));
    let get = |path: &str, args: &[&str]| curl(&[args, &[&pulp.url(path)]].concat());
    // Of a publication that a version leads to, Pulp knows less than of one that a distribution names.
    let version = api.get(&repository).expect(200).json()["latest_version_href"].clone();
    let of_version =
        json!({ "name": "of-version", "base_path": "of-version", "repository_version": version });
    api.post("/pulp/api/v3/distributions/file/file/", &of_version);
    assert_eq!(get("/pulp/content/of-version/a/file", &[]).expect(200).body, b"some bytes");
    get("/pulp/content/of-version/a/none", &[]).expect(404);
    for _ in 0..2 {
        get("/pulp/content/listed/many/", &[]).expect(404);
        get("/pulp/content/listed/none", &[]).expect(404);
    }

    shell(&pulp, MANY);
    let publish = || api.post("/pulp/api/v3/publications/file/file/", &json!({ "repository": repository }));
    api.patch(&distribution, &json!({ "publication": publish() }));
    assert!(shell(&pulp, COMPARE).contains("compared 16"));
    // Twice: as it is made, and as it was kept. With the link to the directory above.
    for _ in 0..2 {
        assert_eq!(links(&get("/pulp/content/listed/many/", &[]).expect(200).body), 2501);
        // With `a`, `many` and the manifest.
        assert_eq!(links(&get("/pulp/content/listed/", &[]).expect(200).body), 2504);
    }
    assert!(get("/pulp/content/listed/many/", &["--head"]).expect(200).body.is_empty());
    get("/pulp/content/listed/many", &[]).expect(301);
    get("/pulp/content/listed/none", &[]).expect(404);

    // Another version, in which one is missing.
    let first = api.get("/pulp/api/v3/content/file/files/?limit=1&ordering=relative_path").expect(200).json();
    let first = first["results"][0]["pulp_href"].clone();
    api.post(&format!("{repository}modify/"), &json!({ "remove_content_units": [first] }));
    api.patch(&distribution, &json!({ "publication": publish() }));
    assert_eq!(links(&get("/pulp/content/listed/", &[]).expect(200).body), 2503);

    // A guard keeps them, too.
    let guard = api.post("/pulp/api/v3/contentguards/core/rbac/", &json!({ "name": "guard" }));
    api.patch(&distribution, &json!({ "content_guard": guard["pulp_href"] }));
    get("/pulp/content/listed/many/", &[]).expect(403);
    get("/pulp/content/listed/none", &[]).expect(403);
    get("/pulp/content/listed/many/", &["--user", "admin:secret"]).expect(200);
}
