//! `wash inspect diff`: what changed, and whom it breaks.

use schemars::JsonSchema;
use serde::Serialize;

/// What changed between two files.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct DiffData {
    /// The older one, as it was given.
    pub(crate) old: String,
    /// The newer one, as it was given.
    pub(crate) new: String,
    /// What was compared.
    pub(crate) subject: SubjectData,
    /// What the change means all in all; the exit code is 1 when it is breaking.
    pub(crate) verdict: ImpactData,
    /// What it means to callers.
    pub(crate) callers: ImpactData,
    /// What it means to hosts.
    pub(crate) hosts: ImpactData,
    /// Each change.
    pub(crate) changes: Vec<ChangeData>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SubjectData {
    /// Components, of which the new one takes the old one's place. The verdict is the worse of both sides'.
    Component,
    /// Worlds or packages that components are written against. The verdict is that of callers.
    Contract,
}

/// How bad a change is for somebody.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ImpactData {
    /// Nothing that they could notice.
    Patch,
    /// Something new that they may use.
    Minor,
    /// What worked no longer does.
    Breaking,
}

/// One change.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ChangeData {
    /// On which side of a world it stands.
    pub(crate) direction: DirectionData,
    /// The world of a package that it belongs to.
    pub(crate) world: Option<String>,
    /// The interface; `null` for what stands in the world itself.
    pub(crate) interface: Option<String>,
    /// The function or type.
    pub(crate) name: Option<String>,
    /// What kind of thing it is.
    pub(crate) item: ItemData,
    /// What happened to it.
    pub(crate) action: ActionData,
    /// As it was.
    pub(crate) before: Option<String>,
    /// As it is now.
    pub(crate) after: Option<String>,
    /// What it means to callers.
    pub(crate) callers: ImpactData,
    /// What it means to hosts.
    pub(crate) hosts: ImpactData,
    /// Whether it only follows from the change of a type that it uses.
    pub(crate) follows: bool,
}

/// On which side of a world something stands.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DirectionData {
    /// It is needed.
    Import,
    /// It is offered.
    Export,
    /// It is defined in a package, for either.
    Definition,
}

/// What kind of thing changed.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ItemData {
    /// A whole world.
    World,
    /// A whole interface.
    Interface,
    /// A function.
    Function,
    /// A type.
    Type,
    /// The version that an interface is imported or exported by.
    Version,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ActionData {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}
