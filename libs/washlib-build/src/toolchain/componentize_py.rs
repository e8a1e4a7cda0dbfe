//! Python projects: componentize-py over the module `app`.

use std::ffi::OsString;

use super::{Step, wit_world};
use crate::{BuildError, BuildRequest};

pub(super) fn steps(request: &BuildRequest) -> Result<Vec<Step>, BuildError> {
    let app = request.root.join("app.py");
    if !app.is_file() && !request.root.join("app/__init__.py").is_file() {
        return Err(BuildError::Unbuildable {
            problem: "a Python component's code is expected in the module `app`".to_owned(),
            file: app,
            advice: Some("create app.py, or set `build.command` in .wash/config.yaml".to_owned()),
        });
    }
    let Some(world) = wit_world::find(&request.root)? else {
        return Err(BuildError::Unbuildable {
            problem: "a Python component needs a WIT world".to_owned(),
            file: request.root.join("wit"),
            advice: Some("create wit/world.wit".to_owned()),
        });
    };
    let mut arguments: Vec<OsString> = ["-d", "wit", "-w", &world, "componentize", "app", "-o"].map(Into::into).into();
    arguments.push(request.configured_path().into());
    Ok(vec![Step::Plain { program: "componentize-py", arguments }])
}
