-- From version 2 to 3: a job has a priority, and says what it gets when it ran out of GPU memory.

ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE job ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN cheaper TEXT NOT NULL DEFAULT '';

DROP INDEX job_open;
CREATE INDEX job_open ON job (app, status, priority, due);

PRAGMA user_version = 3;
