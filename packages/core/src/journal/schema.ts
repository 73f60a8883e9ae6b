/** "LKSM": tells our database from any other SQLite file. */
export const APPLICATION_ID = 0x4c4b_534d;

/**
 * One entry a version; `PRAGMA user_version` counts those applied. Never edit a released entry, add one.
 * JSON columns hold data whose shape belongs to core (`data`) or to a backend (`identity`, `source`); never secrets.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'undoing', 'done', 'undone')),
    request_id TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    data TEXT NOT NULL,
    error TEXT
  ) STRICT;
  CREATE INDEX operation_open ON operation (state) WHERE state IN ('running', 'undoing');

  CREATE TABLE step (
    operation TEXT NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (operation, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE instance (
    uuid TEXT PRIMARY KEY,
    name TEXT,
    project_id TEXT,
    created_at TEXT NOT NULL,
    disk_info TEXT NOT NULL,
    block_device_info TEXT NOT NULL
  ) STRICT;

  CREATE TABLE disk (
    uuid TEXT PRIMARY KEY,
    instance TEXT NOT NULL REFERENCES instance (uuid),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    backend TEXT NOT NULL,
    path TEXT NOT NULL,
    source TEXT NOT NULL,
    identity TEXT NOT NULL,
    virtual_size INTEGER NOT NULL,
    encryption_format TEXT,
    secret_id TEXT UNIQUE,
    created_at TEXT NOT NULL,
    UNIQUE (instance, name)
  ) STRICT;

  CREATE TABLE snapshot (
    uuid TEXT PRIMARY KEY,
    instance TEXT NOT NULL,
    disk_name TEXT NOT NULL,
    path TEXT NOT NULL,
    format TEXT NOT NULL,
    virtual_size INTEGER NOT NULL,
    encryption_format TEXT,
    secret_id TEXT UNIQUE,
    identity TEXT NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;

  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    request_id TEXT NOT NULL
  ) STRICT;
  `,
  // What the daemon answered, by idempotency key; no answer yet: the work began and did not end.
  `
  CREATE TABLE answer (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    task TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    request_id TEXT NOT NULL,
    subject TEXT,
    disk TEXT,
    created_at TEXT NOT NULL,
    answer TEXT
  ) STRICT;
  CREATE INDEX answer_age ON answer (created_at);
  `,
  // Guests that Luksmith itself runs.
  `
  CREATE TABLE guest (
    instance TEXT PRIMARY KEY REFERENCES instance (uuid) ON DELETE CASCADE,
    definition TEXT NOT NULL,
    wanted TEXT NOT NULL CHECK (wanted IN ('on', 'off')),
    moving INTEGER NOT NULL DEFAULT 0,
    rescued INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  `,
  // Plain dm-crypt: what opens a disk besides its key, one key for all disks of an instance, and ways out of it.
  `
  CREATE TABLE disk_with_options (
    uuid TEXT PRIMARY KEY,
    instance TEXT NOT NULL REFERENCES instance (uuid),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    backend TEXT NOT NULL,
    path TEXT NOT NULL,
    source TEXT NOT NULL,
    identity TEXT NOT NULL,
    virtual_size INTEGER NOT NULL,
    encryption_format TEXT,
    secret_id TEXT,
    encryption_options TEXT,
    created_at TEXT NOT NULL,
    UNIQUE (instance, name)
  ) STRICT;
  INSERT INTO disk_with_options
    SELECT uuid, instance, position, name, backend, path, source, identity, virtual_size, encryption_format, secret_id,
      NULL, created_at
    FROM disk;
  DROP TABLE disk;
  ALTER TABLE disk_with_options RENAME TO disk;
  CREATE UNIQUE INDEX disk_secret ON disk (secret_id) WHERE encryption_format <> 'plain';

  CREATE TABLE reencryption (
    disk TEXT PRIMARY KEY REFERENCES disk (uuid) ON DELETE CASCADE,
    target TEXT NOT NULL,
    identity TEXT NOT NULL,
    copied INTEGER NOT NULL
  ) STRICT;
  `,
  // The end of the audit log, and its lines that the file may not have durably.
  `
  CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    log TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    at TEXT NOT NULL,
    segment INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE audit_pending (
    seq INTEGER PRIMARY KEY,
    start INTEGER NOT NULL,
    line TEXT NOT NULL
  ) STRICT;
  `,
  // Signed receipts of erasures; and how often the end of an operation was tried.
  `
  CREATE TABLE receipt (
    id TEXT PRIMARY KEY,
    disk TEXT NOT NULL,
    subject TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    envelope TEXT NOT NULL
  ) STRICT;
  CREATE INDEX receipt_age ON receipt (issued_at);
  ALTER TABLE operation ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE operation ADD COLUMN tried_at TEXT;
  `,
  // What this host had, and what the operation that ended it was to do: the proof that a leftover is this host's own.
  `
  CREATE TABLE gone (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    operation TEXT,
    uuid TEXT NOT NULL,
    instance TEXT NOT NULL,
    name TEXT NOT NULL,
    backend TEXT,
    path TEXT NOT NULL,
    identity TEXT NOT NULL,
    virtual_size INTEGER NOT NULL,
    encryption_format TEXT,
    secret_id TEXT,
    removed INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX gone_secret ON gone (secret_id);

  CREATE VIEW open_step AS
    SELECT operation.kind AS operation, subject, step.kind AS kind, step.data AS data
    FROM operation LEFT JOIN step ON step.operation = operation.id
    WHERE state IN ('running', 'undoing');

  CREATE TRIGGER disk_gone AFTER DELETE ON disk BEGIN
    INSERT INTO gone (at, operation, uuid, instance, name, backend, path, identity, virtual_size, encryption_format, secret_id, removed, forgotten)
    VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), (SELECT operation FROM open_step WHERE subject = OLD.instance LIMIT 1),
      OLD.uuid, OLD.instance, OLD.name, OLD.backend, OLD.path, OLD.identity, OLD.virtual_size, OLD.encryption_format, OLD.secret_id,
      EXISTS (SELECT 1 FROM open_step WHERE subject = OLD.instance
        AND ((kind = 'remove' AND json_extract(data, '$.disk.uuid') = OLD.uuid) OR (kind = 'replace' AND json_extract(data, '$.old.disk.uuid') = OLD.uuid))),
      EXISTS (SELECT 1 FROM open_step WHERE subject = OLD.instance AND kind = 'forget' AND json_extract(data, '$.id') = OLD.secret_id));
    DELETE FROM gone WHERE seq <= (SELECT max(seq) FROM gone) - 100000;
  END;

  CREATE TRIGGER disk_rekeyed AFTER UPDATE OF secret_id ON disk WHEN OLD.secret_id IS NOT NULL AND OLD.secret_id IS NOT NEW.secret_id BEGIN
    INSERT INTO gone (at, operation, uuid, instance, name, backend, path, identity, virtual_size, encryption_format, secret_id, removed, forgotten)
    VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), (SELECT operation FROM open_step WHERE subject = OLD.instance LIMIT 1),
      OLD.uuid, OLD.instance, OLD.name, OLD.backend, OLD.path, OLD.identity, OLD.virtual_size, OLD.encryption_format, OLD.secret_id,
      0, EXISTS (SELECT 1 FROM open_step WHERE subject = OLD.instance
        AND (operation = 'rekey' OR (kind = 'forget' AND json_extract(data, '$.id') = OLD.secret_id))));
  END;

  CREATE TRIGGER snapshot_gone AFTER DELETE ON snapshot BEGIN
    INSERT INTO gone (at, operation, uuid, instance, name, backend, path, identity, virtual_size, encryption_format, secret_id, removed, forgotten)
    VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), (SELECT operation FROM open_step WHERE subject = OLD.uuid LIMIT 1),
      OLD.uuid, OLD.instance, OLD.disk_name, NULL, OLD.path, OLD.identity, OLD.virtual_size, OLD.encryption_format, OLD.secret_id,
      EXISTS (SELECT 1 FROM open_step WHERE subject = OLD.uuid AND kind = 'remove-file'),
      EXISTS (SELECT 1 FROM open_step WHERE subject = OLD.uuid AND kind = 'forget' AND json_extract(data, '$.id') = OLD.secret_id));
  END;
  `,
];
