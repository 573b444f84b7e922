//! Pulp's REST API, as its administrator.

use serde_json::{Value, json};

use super::{Answer, PATIENCE, Pulp, collections, curl, product, until};

/// The API of a container, for somebody with a password.
pub struct Api<'a> {
    pub pulp: &'a Pulp,
    user: String,
    origin: Option<String>,
}

impl<'a> Api<'a> {
    pub fn admin(pulp: &'a Pulp, password: &str) -> Api<'a> {
        Api { pulp, user: format!("admin:{password}"), origin: None }
    }

    /// At this address, whatever its certificate is.
    pub fn at(self, origin: &str) -> Api<'a> {
        Api { origin: Some(origin.to_owned()), ..self }
    }

    fn call(&self, path: &str, args: &[&str]) -> Answer {
        let url = self
            .origin
            .as_ref()
            .map_or_else(|| self.pulp.url(path), |origin| format!("{origin}{}", product().path(path)));
        curl(&[&["--insecure", "--user", &self.user, &url], args].concat())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call(path, &[])
    }

    /// Makes something; returns it, or where it is if a task made it.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let args = ["--header", "Content-Type: application/json", "--data", &body];
        self.done(self.call(path, &args))
    }

    /// Changes something.
    pub fn patch(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let args = ["--request", "PATCH", "--header", "Content-Type: application/json", "--data", &body];
        self.done(self.call(path, &args))
    }

    /// Removes something.
    pub fn delete(&self, path: &str) -> Value {
        self.done(self.call(path, &["--request", "DELETE"]))
    }

    /// As [`Api::post`] with a file and other fields of a form.
    pub fn upload(&self, path: &str, fields: &[&str]) -> Value {
        let args: Vec<&str> = fields.iter().flat_map(|field| ["--form", field]).collect();
        self.done(self.call(path, &args))
    }

    /// Starts what a task does; where that task is.
    pub fn start(&self, path: &str, body: &Value) -> String {
        let body = body.to_string();
        let answer = self.call(path, &["--header", "Content-Type: application/json", "--data", &body]);
        answer.expect(202).json()["task"].as_str().unwrap().to_owned()
    }

    /// Cancels a task.
    pub fn cancel(&self, task: &str) {
        let args = ["--request", "PATCH", "--form", "state=canceled"];
        let answer = self.call(task, &args);
        assert!([200, 202, 409].contains(&answer.status), "{}", answer.text());
    }

    fn done(&self, answer: Answer) -> Value {
        assert!([200, 201, 202].contains(&answer.status), "{}\n{}", answer.headers, answer.text());
        let made = answer.json();
        let Some(href) = made["task"].as_str() else { return made };
        let mut task = json!(null);
        until("the task's end", PATIENCE, || {
            task = self.get(href).expect(200).json();
            !["waiting", "running"].contains(&task["state"].as_str().unwrap())
        });
        assert_eq!(task["state"], "completed", "{task}");
        task["created_resources"].get(0).cloned().unwrap_or(task)
    }

    /// Publishes a file in a repository of this name, by tasks; returns the path at which the content app has it. Galaxy
    /// knows collections alone: there it is in one of this name ([`Pulp::serves`]).
    pub fn publish_file(&self, name: &str, bytes: &[u8]) -> String {
        if !product().is_pulp() {
            return collections::publish(self, name, bytes);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upload");
        std::fs::write(&path, bytes).unwrap();
        let file = format!("file=@{}", path.display());
        let content = self.upload("/pulp/api/v3/content/file/files/", &[&file, "relative_path=a/file"]);
        let repository = self.post("/pulp/api/v3/repositories/file/file/", &json!({ "name": name }));
        let repository = repository["pulp_href"].as_str().unwrap();
        self.post(&format!("{repository}modify/"), &json!({ "add_content_units": [content] }));
        let publication =
            self.post("/pulp/api/v3/publications/file/file/", &json!({ "repository": repository }));
        let distribution = json!({ "name": name, "base_path": name, "publication": publication });
        self.post("/pulp/api/v3/distributions/file/file/", &distribution);
        format!("/pulp/content/{name}/a/file")
    }
}
