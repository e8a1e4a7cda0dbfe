//! The tables, which all stand in the schema `wash`.
//!
//! Names of any length and content are found by their BLAKE3 digests, so that they fit into an index; the digest of a
//! bucket or container takes in its namespace. What is in the tables is for the backends to know.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Error;

/// The version of these tables.
pub(super) const VERSION: i32 = 1;

/// Nobody else's lock, it is to be hoped: `wash` in ASCII.
const LOCK: i64 = 0x7761_7368;

const TABLES: &str = "
create schema if not exists wash;

create table wash.keyvalue (
    bucket bytea not null,
    digest bytea not null,
    key bytea not null,
    value bytea not null,
    version bytea not null,
    primary key (bucket, digest)
);

create table wash.blob_container (
    id bytea primary key,
    namespace bytea not null,
    name bytea not null,
    created_at bigint not null
);

create table wash.blob_object (
    container bytea not null references wash.blob_container (id) on delete cascade,
    digest bytea not null,
    name bytea not null,
    content bigint not null,
    size bigint not null,
    created_at bigint not null,
    primary key (container, digest)
);

create sequence wash.blob_content;

create table wash.blob_chunk (
    content bigint not null,
    start bigint not null,
    bytes bytea not null,
    primary key (content, start)
);
-- Content is compressed already or hardly compressible more often than not.
alter table wash.blob_chunk alter column bytes set storage external;

-- Content that belongs to no object: it is being written, or somebody may still be reading it.
create table wash.blob_loose (
    content bigint primary key,
    until timestamptz not null
);
create index on wash.blob_loose (until);

create table wash.version (number int not null);
insert into wash.version values (1);
";

/// Makes the tables if they are not there. Returns the version of those that are.
pub(super) async fn prepare(client: &mut Object) -> Result<i32, Error> {
    if let Some(version) = version(&*client).await? {
        return Ok(version);
    }
    let transaction = client.transaction().await?;
    // Several hosts may start at once.
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let version = match version(&transaction).await? {
        Some(version) => version,
        None => {
            transaction.batch_execute(TABLES).await?;
            VERSION
        }
    };
    transaction.commit().await?;
    Ok(version)
}

async fn version(client: &impl GenericClient) -> Result<Option<i32>, Error> {
    let exists = client.query_one("select to_regclass('wash.version') is not null", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(None);
    }
    let version = client.query_opt("select number from wash.version", &[]).await?;
    Ok(version.map(|row| row.get(0)))
}
