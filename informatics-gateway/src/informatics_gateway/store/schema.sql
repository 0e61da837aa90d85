-- The journal, version 3.  Status and event are written in one transaction; see writer.py.  A journal of an
-- earlier version is brought here by upgrade_N.sql; see version.py.

CREATE TABLE IF NOT EXISTS association (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, calling_ae_title TEXT NOT NULL, called_ae_title TEXT NOT NULL,
    host TEXT NOT NULL, at REAL NOT NULL);

CREATE TABLE IF NOT EXISTS instance (
    sop_instance_uid TEXT PRIMARY KEY, sop_class_uid TEXT NOT NULL, series_instance_uid TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL, patient_id TEXT NOT NULL, issuer_of_patient_id TEXT NOT NULL,
    patient_name TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, instance_number INTEGER,
    image_position TEXT, image_orientation TEXT);

-- One row each time an instance came in; `seen` once assemble has sealed it or found it sealed already.
CREATE TABLE IF NOT EXISTS arrival (
    id INTEGER PRIMARY KEY, association TEXT NOT NULL REFERENCES association,
    sop_instance_uid TEXT NOT NULL REFERENCES instance, source TEXT NOT NULL, called_ae_title TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL, series_instance_uid TEXT NOT NULL, at REAL NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0, UNIQUE (association, sop_instance_uid));
CREATE INDEX IF NOT EXISTS arrival_unseen ON arrival (seen) WHERE NOT seen;
CREATE INDEX IF NOT EXISTS arrival_series ON arrival (series_instance_uid);

-- `routed` once its jobs are queued, or it is in quarantine because no route takes it.
CREATE TABLE IF NOT EXISTS input_set (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, called_ae_title TEXT NOT NULL, study_instance_uid TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL, revision INTEGER NOT NULL, hash TEXT NOT NULL, sealed_at REAL NOT NULL,
    closed_by TEXT NOT NULL, routed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, called_ae_title, study_instance_uid, series_instance_uid, revision));

CREATE TABLE IF NOT EXISTS input_set_instance (
    input_set INTEGER NOT NULL REFERENCES input_set, sop_instance_uid TEXT NOT NULL REFERENCES instance,
    PRIMARY KEY (input_set, sop_instance_uid)) WITHOUT ROWID;

-- `reached` is the last good status, where a retry goes on; `sending` is set before the first byte leaves.
-- `alone` and `cheaper`: what a job that ran out of GPU memory gets (model.py).
CREATE TABLE IF NOT EXISTS job (
    id INTEGER PRIMARY KEY, input_set INTEGER NOT NULL REFERENCES input_set, route TEXT NOT NULL, app TEXT NOT NULL,
    status TEXT NOT NULL, reached TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, failing_since REAL,
    sending INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, error TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '', profile TEXT NOT NULL DEFAULT '', priority INTEGER NOT NULL DEFAULT 1,
    alone INTEGER NOT NULL DEFAULT 0, cheaper TEXT NOT NULL DEFAULT '', UNIQUE (input_set, app, profile));
CREATE INDEX IF NOT EXISTS job_open ON job (app, status, priority, due);

CREATE TABLE IF NOT EXISTS result (
    job INTEGER NOT NULL REFERENCES job, ordinal INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL, series_instance_uid TEXT NOT NULL,
    series_number INTEGER, sha256 TEXT NOT NULL, PRIMARY KEY (job, sop_instance_uid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS result_uid ON result (sop_instance_uid);

CREATE TABLE IF NOT EXISTS proof (
    job INTEGER NOT NULL REFERENCES job, sop_instance_uid TEXT NOT NULL, destination TEXT NOT NULL,
    how TEXT NOT NULL, at REAL NOT NULL);

CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL REFERENCES job, at REAL NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_job ON event (job);

-- Callers that were turned away: one row for each caller and reason.
CREATE TABLE IF NOT EXISTS refusal (
    calling_ae_title TEXT NOT NULL, called_ae_title TEXT NOT NULL, host TEXT NOT NULL, reason TEXT NOT NULL,
    hint TEXT NOT NULL, at REAL NOT NULL, times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (calling_ae_title, called_ae_title, host, reason));

-- Apps whose jobs do not start until somebody resumes them.
CREATE TABLE IF NOT EXISTS paused (app TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;

-- The most GPU memory that an app was seen to take.
CREATE TABLE IF NOT EXISTS gpu_peak (
    app TEXT NOT NULL, digest TEXT NOT NULL, profile TEXT NOT NULL, mb INTEGER NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (app, digest, profile)) WITHOUT ROWID;

PRAGMA user_version = 3;
