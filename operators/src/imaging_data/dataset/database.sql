-- A data set, version 1: the patients, studies, series and images, and every parameter of each picture.
-- Counts are kept by triggers, so that none of them is counted when it is asked for.  A series' `images` is raised
-- by whoever adds images, once for many; from there it goes up.

CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- `split` is '' until the patient has one, and never changes then.
CREATE TABLE patient (
    id INTEGER PRIMARY KEY, patient_id TEXT NOT NULL UNIQUE, patient_sex TEXT NOT NULL, stratum TEXT NOT NULL DEFAULT '',
    split TEXT NOT NULL DEFAULT '', studies INTEGER NOT NULL DEFAULT 0, series INTEGER NOT NULL DEFAULT 0,
    images INTEGER NOT NULL DEFAULT 0);
CREATE INDEX patient_split ON patient (split);

CREATE TABLE study (
    id INTEGER PRIMARY KEY, patient INTEGER NOT NULL REFERENCES patient, study_instance_uid TEXT NOT NULL UNIQUE,
    study_date TEXT NOT NULL, study_description TEXT, series INTEGER NOT NULL DEFAULT 0,
    images INTEGER NOT NULL DEFAULT 0);
CREATE INDEX study_patient ON study (patient);

-- Of its first image: `stratum`, what the split is stratified by, and `acquisition`, how it was acquired, as JSON.
-- `grid`: where its voxels lie, as JSON, '' where nobody asked; `volume`: its NIfTI file under the data set's
-- folder, '' without one; `no_volume`: why there is none.
CREATE TABLE series (
    id INTEGER PRIMARY KEY, study INTEGER NOT NULL REFERENCES study, series_instance_uid TEXT NOT NULL UNIQUE,
    modality TEXT NOT NULL, series_number TEXT, series_description TEXT, stratum TEXT NOT NULL DEFAULT '',
    images INTEGER NOT NULL DEFAULT 0, acquisition TEXT NOT NULL DEFAULT '{}', grid TEXT NOT NULL DEFAULT '',
    volume TEXT NOT NULL DEFAULT '', volume_sha256 TEXT NOT NULL DEFAULT '', no_volume TEXT NOT NULL DEFAULT '');
CREATE INDEX series_study ON series (study);

-- One SOP instance.  The texts are those of the attributes, NULL where absent; `ordinal` orders a series.
-- `sha256` is of its file, `pixel_sha256` of its decoded stored values ('' where they are all one value);
-- `duplicate_of`: the first image with the same ones; `no_picture`: why there is none, what is wrong in its first line.
-- Two more indexes, one of which keeps sop_instance_uid unique, are made when all images are there: writer.py.
CREATE TABLE image (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL REFERENCES series, sop_instance_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL, ordinal INTEGER NOT NULL, instance_number TEXT, rescale_intercept TEXT,
    rescale_slope TEXT, window_center TEXT, window_width TEXT, frames INTEGER NOT NULL, pixel_rows INTEGER NOT NULL,
    pixel_columns INTEGER NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL DEFAULT '',
    pixel_sha256 TEXT NOT NULL DEFAULT '', duplicate_of INTEGER REFERENCES image, no_picture TEXT NOT NULL DEFAULT '');
CREATE INDEX image_pixels ON image (pixel_sha256) WHERE pixel_sha256 != '';
CREATE INDEX image_duplicate ON image (id) WHERE duplicate_of IS NOT NULL;

-- One picture of one frame (from 0) in one window, and what it was made with as JSON (imaging_data.display).
-- `stem` is its file's name without the ending; `path` lies under the data set's folder.
CREATE TABLE picture (
    id INTEGER PRIMARY KEY, image INTEGER NOT NULL REFERENCES image, frame INTEGER NOT NULL, stem TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL, sha256 TEXT NOT NULL, bits INTEGER NOT NULL, rendering TEXT NOT NULL);
CREATE INDEX picture_image ON picture (image, id);

-- Which frame (from 0) of which image each slice of a series' grid is.
CREATE TABLE slice (
    series INTEGER NOT NULL REFERENCES series, place INTEGER NOT NULL, image INTEGER NOT NULL REFERENCES image,
    frame INTEGER NOT NULL, PRIMARY KEY (series, place, image, frame)) WITHOUT ROWID;

-- Segmentations that came with the images, kept under the data set's folder for labels and boxes, and the series
-- that each is of.
CREATE TABLE segmentation (
    id INTEGER PRIMARY KEY, sop_instance_uid TEXT NOT NULL UNIQUE, series_instance_uid TEXT NOT NULL,
    path TEXT NOT NULL);
CREATE INDEX segmentation_series ON segmentation (series_instance_uid);

-- Every file that was looked at; `skipped` says why one is not in the data set, '' for one that is.
CREATE TABLE file (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, skipped TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE total (
    patients INTEGER NOT NULL, studies INTEGER NOT NULL, series INTEGER NOT NULL, images INTEGER NOT NULL,
    pictures INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0, 0, 0, 0);

-- What is searched: PatientID, descriptions and Modality of a series; its row is that of the series.
CREATE VIRTUAL TABLE series_text USING fts5 (
    text, content = '', prefix = '1 2 3', tokenize = 'unicode61 remove_diacritics 2');

CREATE TRIGGER patient_counted AFTER INSERT ON patient BEGIN
    UPDATE total SET patients = patients + 1;
END;
CREATE TRIGGER study_counted AFTER INSERT ON study BEGIN
    UPDATE patient SET studies = studies + 1 WHERE id = NEW.patient;
    UPDATE total SET studies = studies + 1;
END;
CREATE TRIGGER series_counted AFTER INSERT ON series BEGIN
    UPDATE study SET series = series + 1 WHERE id = NEW.study;
    UPDATE patient SET series = series + 1 WHERE id = (SELECT patient FROM study WHERE id = NEW.study);
    UPDATE total SET series = series + 1;
    INSERT INTO series_text (rowid, text)
        SELECT NEW.id, patient_id || ' ' || ifnull(study_description, '') || ' ' || ifnull(NEW.series_description, '')
            || ' ' || NEW.modality
        FROM study JOIN patient ON patient.id = study.patient WHERE study.id = NEW.study;
END;
CREATE TRIGGER images_counted AFTER UPDATE OF images ON series BEGIN
    UPDATE study SET images = images + NEW.images - OLD.images WHERE id = NEW.study;
    UPDATE patient SET images = images + NEW.images - OLD.images
        WHERE id = (SELECT patient FROM study WHERE id = NEW.study);
    UPDATE total SET images = images + NEW.images - OLD.images;
END;

CREATE TRIGGER picture_counted AFTER INSERT ON picture BEGIN
    UPDATE total SET pictures = pictures + 1;
END;

PRAGMA application_id = 0x47445331;
PRAGMA user_version = 1;
