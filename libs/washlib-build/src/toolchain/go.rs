//! Go projects without a `Makefile`: generated bindings, then TinyGo.

use std::ffi::OsString;

use super::{Step, wit_world};
use crate::{BuildError, BuildRequest};

pub(super) fn steps(request: &BuildRequest) -> Result<Vec<Step>, BuildError> {
    let mut arguments: Vec<OsString> = ["build", "-target", "wasip2"].map(Into::into).into();
    if let Some(world) = wit_world::find(&request.root)? {
        arguments.extend(["-wit-package", "./wit", "-wit-world"].map(Into::into));
        arguments.push(world.into());
    }
    arguments.extend(["-o".into(), request.configured_path().into(), "./".into()]);
    Ok(vec![Step::plain("go", ["generate", "./..."]), Step::Plain { program: "tinygo", arguments }])
}
