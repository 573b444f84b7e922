//! What the old cluster says of itself: how its files are made, and how it sorts.

use crate::Problem;

/// What a new cluster must share with the old one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Control {
    /// Its pages have checksums.
    checksums: bool,
    /// The size of a segment of its log, in bytes.
    segment: u64,
    encoding: String,
    collate: String,
    ctype: String,
    /// `c` libc, `i` ICU, `b` builtin.
    provider: String,
    /// ICU's or the builtin's name.
    name: String,
}

impl Control {
    /// SQL, in one line, as `postgres --single` reads it. Some columns came with 15, and one got another name with 17.
    pub fn question(major: u32) -> String {
        let (provider, name) = match major {
            ..15 => ("'c'::text", "''::text"),
            15..17 => ("datlocprovider::text", "coalesce(daticulocale, '')"),
            17.. => ("datlocprovider::text", "coalesce(datlocale, '')"),
        };
        format!(
            "select pg_encoding_to_char(encoding) as encoding, datcollate::text as collate, datctype::text as ctype, \
             {provider} as provider, {name} as name, (select rolname from pg_authid where oid = 10) as superuser, \
             current_setting('data_checksums') as checksums, \
             pg_size_bytes(current_setting('wal_segment_size'))::text as segment \
             from pg_database where datname = 'template0'\n"
        )
    }

    /// Reads the answer of `postgres --single`: `1: encoding = "UTF8"`, a tab, `(typeid = 19, …)`.
    pub fn parse(answer: &str) -> Result<Control, Problem> {
        let value = |name: &str| {
            let start = format!(": {name} = \"");
            let found = answer.lines().find_map(|line| line.split_once(&start)?.1.split_once("\"\t(typeid"));
            found.map(|(value, _)| value.to_owned()).ok_or_else(|| not_said(name))
        };
        let superuser = value("superuser")?;
        if superuser != "postgres" {
            return Err(Problem::config(
                "S1511",
                format!("the old database was made with the superuser `{superuser}`, not `postgres`"),
                "dump it with pg_dump in the image that wrote it, and restore it into an empty volume here",
            ));
        }
        Ok(Control {
            checksums: value("checksums")? == "on",
            segment: value("segment")?.parse().map_err(|_| not_said("segment"))?,
            encoding: value("encoding")?,
            collate: value("collate")?,
            ctype: value("ctype")?,
            provider: value("provider")?,
            name: value("name")?,
        })
    }

    /// Options of `initdb` of this release.
    pub fn options(&self, major: u32) -> Vec<String> {
        let checksums = match self.checksums {
            true => Some("--data-checksums"),
            // The default since 18.
            false => (major >= 18).then_some("--no-data-checksums"),
        };
        let mut options: Vec<String> = checksums.map(str::to_owned).into_iter().collect();
        options.push(format!("--wal-segsize={}", self.segment >> 20));
        options.extend(self.locale(major));
        options
    }

    fn locale(&self, major: u32) -> Vec<String> {
        let Control { encoding, collate, ctype, name, .. } = self;
        let mut options = vec![
            format!("--encoding={encoding}"),
            // For messages and numbers; what sorts follows.
            "--locale=C.UTF-8".to_owned(),
            format!("--lc-collate={collate}"),
            format!("--lc-ctype={ctype}"),
        ];
        match self.provider.as_str() {
            "i" => options.extend(["--locale-provider=icu".to_owned(), format!("--icu-locale={name}")]),
            "b" => {
                options.extend(["--locale-provider=builtin".to_owned(), format!("--builtin-locale={name}")])
            }
            _ if major >= 15 => options.push("--locale-provider=libc".to_owned()),
            _ => {}
        }
        options
    }
}

fn not_said(what: &str) -> Problem {
    Problem::new(
        "S1512",
        format!("the old database does not say its `{what}`"),
        "restore the volume from a backup, or dump the database with the image that wrote it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(superuser: &str) -> String {
        format!(
            "backend> \t 1: encoding\t(typeid = 19, len = 64)\n\t----\n\
             \t 1: encoding = \"UTF8\"\t(typeid = 19, len = 64)\n\t 2: collate = \"en_US.UTF-8\"\t(typeid = 25)\n\
             \t 3: ctype = \"C\"\t(typeid = 25)\n\t 4: provider = \"c\"\t(typeid = 25)\n\
             \t 5: name = \"\"\t(typeid = 25)\n\t 6: superuser = \"{superuser}\"\t(typeid = 19)\n\
             \t 7: checksums = \"on\"\t(typeid = 25)\n\t 8: segment = \"67108864\"\t(typeid = 25)\n\t----\n"
        )
    }

    #[test]
    fn the_new_cluster_sorts_and_stores_as_the_old_one_does() {
        let control = Control::parse(&answer("postgres")).unwrap();
        let expected = "--data-checksums --wal-segsize=64 --encoding=UTF8 --locale=C.UTF-8 \
                        --lc-collate=en_US.UTF-8 --lc-ctype=C --locale-provider=libc";
        assert_eq!(control.options(17).join(" "), expected);
        let without = Control { checksums: false, ..control };
        assert_eq!(without.options(18)[..2], ["--no-data-checksums", "--wal-segsize=64"]);
        assert_eq!(without.options(17)[0], "--wal-segsize=64");
        assert!(Control::parse("").is_err());
    }

    #[test]
    fn a_cluster_with_another_superuser_is_refused_before_anything_is_done() {
        assert!(Control::parse(&answer("me")).unwrap_err().what().contains("`me`"));
    }
}
