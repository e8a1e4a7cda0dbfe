//! `index.json` of an image layout: which manifests a repository has, and which tags name them.
//!
//! Fields that others wrote there stay. The file itself is read and written by [`super::repository`].

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::name::{Digest, Tag};

/// The media type of an index, and of a response that lists manifests.
pub(crate) const INDEX_MEDIA_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// The annotation that holds a manifest's tag: <https://specs.opencontainers.org/image-spec/annotations/>.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What one content is, and where: <https://specs.opencontainers.org/image-spec/descriptor/>.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub(crate) media_type: String,
    /// Which content it is.
    pub(crate) digest: Digest,
    /// Its number of bytes.
    pub(crate) size: u64,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    /// What else is said of it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Fields without a meaning here.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// Some programs write `null` for what they leave out.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The file as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexFile {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A repository's index, and what can be looked up in it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    file: IndexFile,
    tags: BTreeMap<Tag, Digest>,
    media_types: HashMap<Digest, String>,
}

impl Default for Index {
    fn default() -> Self {
        let media_type = Some(INDEX_MEDIA_TYPE.to_owned());
        Self::new(IndexFile { schema_version: 2, media_type, manifests: Vec::new(), rest: Map::new() })
    }
}

impl Index {
    fn new(file: IndexFile) -> Self {
        let mut index = Self { file, tags: BTreeMap::new(), media_types: HashMap::new() };
        index.look_up_anew();
        index
    }

    pub(super) fn parse(content: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(content).map(Self::new)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.file)
    }

    fn look_up_anew(&mut self) {
        // Names that are no tags were written by others; their manifests can be had by digest.
        let tagged = self.file.manifests.iter().filter_map(|entry| Some((tag(entry)?, entry.digest.clone())));
        self.tags = tagged.collect();
        for entry in &self.file.manifests {
            self.media_types.insert(entry.digest.clone(), entry.media_type.clone());
        }
    }

    /// Adds a manifest that no entry names, because it is a part of an index that one does.
    pub(super) fn add_part(&mut self, part: &Descriptor) -> bool {
        self.media_types.insert(part.digest.clone(), part.media_type.clone()).is_none()
    }

    pub(super) fn resolve(&self, tag: &Tag) -> Option<&Digest> {
        self.tags.get(tag)
    }

    /// The media type of a manifest, if the repository has it.
    pub(super) fn media_type(&self, digest: &Digest) -> Option<&str> {
        self.media_types.get(digest).map(String::as_str)
    }

    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.media_types.keys()
    }

    pub(super) fn entries(&self) -> &[Descriptor] {
        &self.file.manifests
    }

    /// The tags after `last`, in their order.
    pub(super) fn tags_after(&self, last: Option<&str>) -> impl Iterator<Item = &Tag> {
        let last = last.unwrap_or_default().to_owned();
        self.tags.keys().filter(move |tag| tag.as_str() > last.as_str())
    }

    /// Lists a manifest, and lets the tag name it instead of what it named before.
    pub(super) fn put(&mut self, manifest: Descriptor, new_tag: Option<&Tag>) {
        if let Some(new_tag) = new_tag {
            self.untag(new_tag);
        }
        let is_listed = self.file.manifests.iter().any(|entry| entry.digest == manifest.digest);
        match new_tag {
            Some(new_tag) => {
                // An entry without a name has done its duty.
                let is_nameless = |entry: &Descriptor| !entry.annotations.contains_key(REF_NAME);
                self.file.manifests.retain(|entry| entry.digest != manifest.digest || !is_nameless(entry));
                let mut entry = manifest;
                entry.annotations.insert(REF_NAME.to_owned(), new_tag.to_string());
                self.file.manifests.push(entry);
            }
            None if !is_listed => self.file.manifests.push(manifest),
            None => {}
        }
        self.look_up_anew();
    }

    /// Takes a tag away from its manifest, which stays. Returns whether there was such a tag.
    pub(super) fn untag(&mut self, old_tag: &Tag) -> bool {
        let Some(digest) = self.tags.remove(old_tag) else { return false };
        let is_named_so = |entry: &Descriptor| tag(entry).as_ref() == Some(old_tag);
        let other_entries = self.file.manifests.iter().any(|entry| entry.digest == digest && !is_named_so(entry));
        if other_entries {
            self.file.manifests.retain(|entry| !is_named_so(entry));
        } else {
            for entry in self.file.manifests.iter_mut().filter(|entry| is_named_so(entry)) {
                entry.annotations.remove(REF_NAME);
            }
        }
        true
    }

    /// Forgets a manifest and its tags. Returns whether there was one.
    pub(super) fn remove(&mut self, digest: &Digest) -> bool {
        let is_known = self.media_types.remove(digest).is_some();
        self.file.manifests.retain(|entry| entry.digest != *digest);
        self.tags.retain(|_, named| named != digest);
        is_known
    }
}

fn tag(entry: &Descriptor) -> Option<Tag> {
    entry.annotations.get(REF_NAME).and_then(|name| Tag::parse(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(content: &str) -> Descriptor {
        let text = serde_json::json!({ "mediaType": "m", "digest": Digest::sha256(content.as_bytes()), "size": 1 });
        serde_json::from_value(text).unwrap()
    }

    fn names(index: &Index) -> Vec<(String, Option<String>)> {
        let entries = index.entries().iter();
        entries.map(|entry| (entry.digest.hex()[..4].to_owned(), entry.annotations.get(REF_NAME).cloned())).collect()
    }

    #[test]
    fn a_tag_moves_and_what_it_named_stays() {
        let (one, two) = (manifest("1"), manifest("2"));
        let (a, b) = (Tag::parse("a").unwrap(), Tag::parse("b").unwrap());
        let mut index = Index::default();
        index.put(one.clone(), None);
        index.put(one.clone(), Some(&a));
        index.put(one.clone(), Some(&a));
        index.put(one.clone(), Some(&b));
        index.put(one.clone(), None);
        let short = |manifest: &Descriptor| manifest.digest.hex()[..4].to_owned();
        assert_eq!(names(&index), [(short(&one), Some("a".into())), (short(&one), Some("b".into()))]);
        index.put(two.clone(), Some(&a));
        index.put(two.clone(), Some(&b));
        assert_eq!(index.resolve(&a), Some(&two.digest));
        assert_eq!(index.media_type(&one.digest), Some("m"), "still there by digest");
        assert!(names(&index).contains(&(short(&one), None)));
        assert!(index.untag(&a));
        assert!(!index.untag(&a));
        assert!(index.remove(&two.digest));
        assert!(!index.remove(&two.digest));
        assert_eq!(names(&index), [(short(&one), None)]);
        assert_eq!(index.tags_after(None).count(), 0);
    }

    #[test]
    fn what_others_wrote_stays() {
        let digest = Digest::sha256(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{digest}","size":0,
            "platform":{{"os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"docker.io/a:b","x":"y"}}}}],
            "annotations":{{"who":"somebody"}}}}"#
        );
        let mut index = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(index.tags_after(None).count(), 0);
        index.put(manifest("1"), Some(&Tag::parse("t").unwrap()));
        let written: Value = serde_json::from_slice(&index.to_json().unwrap()).unwrap();
        assert_eq!(written["annotations"]["who"], "somebody");
        assert_eq!(written["manifests"][0]["platform"]["os"], "linux");
        assert_eq!(written["manifests"][0]["annotations"]["x"], "y");
        assert_eq!(written["manifests"][0]["annotations"][REF_NAME], "docker.io/a:b");
    }
}
