-- From version 1 to 2: a job has a profile, and an input set one job for each app and profile.  SQLite cannot
-- change a UNIQUE, so the table is made anew.

CREATE TABLE job_2 (
    id INTEGER PRIMARY KEY, input_set INTEGER NOT NULL REFERENCES input_set, route TEXT NOT NULL, app TEXT NOT NULL,
    status TEXT NOT NULL, reached TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, failing_since REAL,
    sending INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL, error TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '', profile TEXT NOT NULL DEFAULT '', UNIQUE (input_set, app, profile));

INSERT INTO job_2 (id, input_set, route, app, status, reached, attempts, attempt, due, failing_since, sending,
                   created_at, error, hint)
    SELECT id, input_set, route, app, status, reached, attempts, attempt, due, failing_since, sending,
           created_at, error, hint FROM job;

DROP TABLE job;
ALTER TABLE job_2 RENAME TO job;
CREATE INDEX job_open ON job (app, status, due);

PRAGMA user_version = 2;
