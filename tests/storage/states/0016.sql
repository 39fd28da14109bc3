BEGIN TRANSACTION;
CREATE TABLE access_session (
	digest VARCHAR NOT NULL, 
	token_id VARCHAR NOT NULL, 
	person VARCHAR NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	PRIMARY KEY (digest), 
	FOREIGN KEY(token_id) REFERENCES access_token (id)
);
INSERT INTO "access_session" VALUES('7701a0092a088665f2224593493a8ebc0d477549f030702fae37ba828df49901','19a0b2b1d5fb','ada',1772452800000,1772452801000);
CREATE TABLE access_token (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	scopes JSON NOT NULL, 
	digest VARCHAR NOT NULL, 
	created_ms BIGINT NOT NULL, 
	expires_ms BIGINT, 
	revoked_ms BIGINT, 
	used_ms BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "access_token" VALUES('19a0b2b1d5fb','ci','["ingest"]','fb672efb2bc44d80a4d4f552741a2690a1f1cfd38cac159507777334b1834d45',1772452800000,NULL,NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0016');
CREATE TABLE alert_group (
	id VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	due_ms BIGINT, 
	content JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "alert_group" VALUES('recorded',1,1772452800000,'{}');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor VARCHAR NOT NULL, 
	token_id VARCHAR NOT NULL, 
	method VARCHAR NOT NULL, 
	path VARCHAR NOT NULL, 
	status INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,1772452800000,'ada','19a0b2b1d5fb','POST','/api/v1/silences',201);
CREATE TABLE deployment (
	id VARCHAR NOT NULL, 
	service VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	sha VARCHAR NOT NULL, 
	environment VARCHAR NOT NULL, 
	url VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (service, version, at_ms)
);
INSERT INTO "deployment" VALUES('dep_79c8503a4f3fd067','shop','2.7.1',1772450280000,'9f1c2ab','production','https://ci.example/runs/4711');
CREATE TABLE incident (
	id VARCHAR NOT NULL, 
	labels JSON NOT NULL, 
	phase VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	resolved_ms BIGINT, 
	version INTEGER NOT NULL, 
	announced INTEGER NOT NULL, 
	deployment_id VARCHAR, 
	PRIMARY KEY (id), 
	FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
INSERT INTO "incident" VALUES('inc_3cf7014668cb698d','{"cache": "products", "target": "shop"}','resolved','warning',1772443320000,1772450880000,2,0,NULL);
INSERT INTO "incident" VALUES('inc_60d3351f6ae2c420','{"target": "shop"}','open','critical',1772451360000,NULL,1,0,'dep_79c8503a4f3fd067');
CREATE TABLE incident_finding (
	incident_id VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	merged_into VARCHAR NOT NULL, 
	storm BOOLEAN NOT NULL, 
	origin JSON NOT NULL, 
	correlations JSON NOT NULL, 
	PRIMARY KEY (incident_id), 
	FOREIGN KEY(incident_id) REFERENCES incident (id)
);
INSERT INTO "incident_finding" VALUES('inc_3cf7014668cb698d',1772443320000,'',0,'{"verdict": "only_one", "regression_id": "reg_d4e25e418c049922", "reasons": [], "among": []}','[]');
INSERT INTO "incident_finding" VALUES('inc_60d3351f6ae2c420',1772452800000,'',0,'{"verdict": "probable", "regression_id": "reg_74c23bf0a029f76e", "reasons": ["deepest", "deployment_fits"], "among": []}','[{"deployment_id": "dep_79c8503a4f3fd067", "service": "shop", "version": "2.7.1", "at_ms": 1772450280000, "url": "https://ci.example/runs/4711", "regression_id": "reg_69f6c0f2dce8d4c2", "match": "same_service", "score": 1.0, "slots": {"check": "passed", "change": 1.5240887415974171, "usual": 0.9979997289964685, "spread": 0.02, "days": 7}, "peers": {"check": "unknown", "count": 0, "moved": 0}}]');
CREATE TABLE incident_step (
	id INTEGER NOT NULL, 
	incident_id VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor VARCHAR NOT NULL, 
	step VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(incident_id) REFERENCES incident (id)
);
INSERT INTO "incident_step" VALUES(1,'inc_3cf7014668cb698d',1772443320000,'detector','opened','a regression began it','{"regression": "reg_d4e25e418c049922"}');
INSERT INTO "incident_step" VALUES(2,'inc_3cf7014668cb698d',1772443320000,'detector','joined','same_thing','{"regression": "reg_c4a7ad77534046e6", "with": "reg_d4e25e418c049922", "bond": "same_thing"}');
INSERT INTO "incident_step" VALUES(3,'inc_60d3351f6ae2c420',1772451360000,'detector','opened','a regression began it','{"regression": "reg_69f6c0f2dce8d4c2"}');
INSERT INTO "incident_step" VALUES(4,'inc_60d3351f6ae2c420',1772451360000,'detector','joined','same_service','{"regression": "reg_74c23bf0a029f76e", "with": "reg_69f6c0f2dce8d4c2", "bond": "same_service"}');
INSERT INTO "incident_step" VALUES(5,'inc_60d3351f6ae2c420',1772451360000,'detector','origin','probable','{"from": "", "to": "reg_74c23bf0a029f76e", "reasons": ["deepest", "deployment_fits"], "among": []}');
INSERT INTO "incident_step" VALUES(6,'inc_60d3351f6ae2c420',1772451360000,'detector','correlated','shop 2.7.1','{"deployment": "dep_79c8503a4f3fd067", "score": 1.0, "match": "same_service"}');
INSERT INTO "incident_step" VALUES(7,'inc_60d3351f6ae2c420',1772451360000,'detector','tested','shop 2.7.1','{"deployment": "dep_79c8503a4f3fd067", "score": 1.0, "match": "same_service", "slots": "passed", "peers": "unknown"}');
INSERT INTO "incident_step" VALUES(8,'inc_60d3351f6ae2c420',1772451840000,'detector','joined','same_service','{"regression": "reg_444009205bd2966d", "with": "reg_69f6c0f2dce8d4c2", "bond": "same_service"}');
CREATE TABLE notification (
	id INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	incident_id VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	receiver VARCHAR NOT NULL, 
	route TEXT NOT NULL, 
	group_key TEXT NOT NULL, 
	action VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	phase VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	"key" VARCHAR NOT NULL, 
	recheck_ms BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "notification" VALUES(1,1772452800000,'recorded',1,'recorded','recorded','recorded','recorded','recorded','recorded','recorded','{}','recorded',1772452800000);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	incident_id VARCHAR NOT NULL, 
	receiver VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	action VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	phase VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	payload TEXT NOT NULL, 
	digest VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	repeats INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	first_attempt_ms BIGINT, 
	attempted_ms BIGINT, 
	next_attempt_ms BIGINT, 
	sent_ms BIGINT, 
	outcome VARCHAR NOT NULL, 
	error TEXT NOT NULL, 
	channel VARCHAR NOT NULL, 
	ts VARCHAR NOT NULL, kind VARCHAR DEFAULT 'message' NOT NULL, thread_of VARCHAR DEFAULT '' NOT NULL, gathered VARCHAR DEFAULT '' NOT NULL, line TEXT DEFAULT '' NOT NULL, decided TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "outbox" VALUES(1,'recorded','recorded','recorded',1,'recorded','recorded','recorded','recorded','recorded','recorded','recorded',1,1,1772452800000,1772452800000,1772452800000,1772452800000,1772452800000,'recorded','recorded','recorded','recorded','recorded','recorded','recorded','recorded','recorded');
CREATE TABLE progress (
	name VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "progress" VALUES('tick',1772452800000);
CREATE TABLE "regression" (
	id VARCHAR NOT NULL, 
	incident_id VARCHAR, 
	fingerprint VARCHAR NOT NULL, 
	open_key VARCHAR, 
	rule VARCHAR NOT NULL, 
	signal VARCHAR NOT NULL, 
	title VARCHAR NOT NULL, 
	unit VARCHAR NOT NULL, 
	labels JSON NOT NULL, 
	worse VARCHAR NOT NULL, 
	severity VARCHAR NOT NULL, 
	phase VARCHAR NOT NULL, 
	value FLOAT NOT NULL, 
	worst FLOAT NOT NULL, 
	threshold FLOAT NOT NULL, 
	baseline FLOAT, 
	began_lo_ms BIGINT NOT NULL, 
	began_hi_ms BIGINT NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	clear_since_ms BIGINT, 
	resolved_ms BIGINT, 
	runbook VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	kind VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	held_since_ms BIGINT NOT NULL, 
	recorded_ms BIGINT NOT NULL, 
	earlier JSON NOT NULL, 
	tags JSON NOT NULL, 
	"by" VARCHAR NOT NULL, 
	recorded FLOAT, 
	muted_until_ms BIGINT, 
	silent_since_ms BIGINT, 
	accepted_from_ms BIGINT, target VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (open_key), 
	FOREIGN KEY(incident_id) REFERENCES incident (id)
);
INSERT INTO "regression" VALUES('reg_d4e25e418c049922','inc_3cf7014668cb698d','86cea3d8c118745a',NULL,'cache_hit_rate_drop','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',9.56134030425223935267e-01,7.93124283627529624851e-01,8.6129891593254781501e-01,9.56998795480608621666e-01,1772441700000,1772442000000,1772443320000,1772450880000,1772446860000,1772450880000,'/runbooks/cache_hit_rate_drop','{"value": 0.7931242836275296, "n": 3971.1478222941632, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.9579187221096559, "weeks": 0.0, "scale": 0.003954818943992649, "effect": 4.123943934405815, "of_rest": 1.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.002544551317969385, "span_seconds": 1200.0, "began_lo_ms": 1772441700000.0, "began_hi_ms": 1772442000000.0, "before": 0.9595173678215451, "after": 0.7939904294940064}}','regression',1,1772443320000,1772443320000,'[]','[]','',1.63175514011182354323e-01,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_c4a7ad77534046e6','inc_3cf7014668cb698d','9e7c84207053b694',NULL,'cache_hit_rate_low','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',9.60989195948351304643e-01,7.91374156191434585672e-01,0.85,NULL,1772442720000,1772442780000,1772443320000,1772448720000,1772446860000,1772448720000,'/runbooks/cache_hit_rate_low','{"value": 0.7913741561914346, "n": 795.8924118773344, "threshold": 0.85, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}','regression',1,1772443320000,1772443320000,'[]','[]','',7.69810315886428897513e-02,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_69f6c0f2dce8d4c2','inc_60d3351f6ae2c420','200f35ec308135d7','200f35ec308135d7','api_response_time_regression','api_p95','API p95','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','critical','escalated',3.29229117838279572438e-01,3.29229117838279572438e-01,2.61944230739164729548e-01,2.18286858949303969046e-01,1772450160000,1772450460000,1772451360000,1772452800000,NULL,NULL,'/runbooks/api_response_time_regression','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624262195727, "weeks": 0.0, "scale": 0.005692153171544347, "effect": 0.154451686330239, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014874897316283001, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.2164780164083259, "after": 0.28955409589210124}}','regression',1,1772451360000,1772452560000,'[]','[]','',1.09921338621431413651e-01,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_74c23bf0a029f76e','inc_60d3351f6ae2c420','12db7fbe44fd07d9','12db7fbe44fd07d9','db_response_time_regression','db_p95','Database p95','seconds','{"db": "main", "operation": "select_cart", "target": "shop"}','up','critical','open',2.83389373550714043781e-02,2.8430232885683519306e-02,2.26102176948838363979e-02,1.88418480790698630866e-02,1772450160000,1772450460000,1772451360000,1772452800000,NULL,NULL,'/runbooks/db_response_time_regression','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.018856247904054213, "weeks": 0.0, "scale": 0.0002640527696744786, "effect": 0.15774978769471118, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.003458420202994868, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.01881564572397766, "after": 0.025053225700182664}}','regression',1,1772451360000,1772451360000,'[]','[]','',9.5732456043257814493e-03,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_444009205bd2966d','inc_60d3351f6ae2c420','24de2603a62f48f9','24de2603a62f48f9','api_mean_time_regression','api_mean','API mean','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','warning','open',1.85670021738459423144e-01,1.85891429943347452624e-01,1.52559352506027812168e-01,1.27132793755023176807e-01,1772450640000,1772450940000,1772451840000,1772452800000,NULL,NULL,'/runbooks/api_mean_time_regression','{"value": 0.18589142994334745, "n": 1275.2551315537753, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12697004188666633, "weeks": 0.0, "scale": 0.0024571017753522036, "effect": 0.4570149005213484, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.05736696848454185, "span_seconds": 1200.0, "began_lo_ms": 1772450640000.0, "began_hi_ms": 1772450940000.0, "before": 0.1291182234013978, "after": 0.1848953766754709}}','regression',1,1772451840000,1772451840000,'[]','[]','',5.77642444725612325129e-02,NULL,NULL,NULL,'shop');
CREATE TABLE repeat (
	digest VARCHAR NOT NULL, 
	request VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	status INTEGER, 
	media_type VARCHAR NOT NULL, 
	body VARCHAR, 
	PRIMARY KEY (digest)
);
INSERT INTO "repeat" VALUES('recorded','recorded',1772452800000,1,'recorded','recorded');
CREATE TABLE silence (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	matchers JSON NOT NULL, 
	starts_ms BIGINT NOT NULL, 
	ends_ms BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	comment TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "silence" VALUES('recorded','recorded','{}',1772452800000,1772452800000,'recorded','recorded',1772452800000,1772452800000);
CREATE TABLE statement (
	target VARCHAR NOT NULL, 
	datname VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	text VARCHAR NOT NULL, 
	first_seen_ms BIGINT NOT NULL, 
	last_seen_ms BIGINT NOT NULL, 
	PRIMARY KEY (target, datname, fingerprint)
);
INSERT INTO "statement" VALUES('recorded','recorded','recorded','recorded',1772452800000,1772452800000);
CREATE TABLE "transition" (
	id INTEGER NOT NULL, 
	regression_id VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor VARCHAR NOT NULL, 
	"before" VARCHAR NOT NULL, 
	"after" VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	step VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(regression_id) REFERENCES regression (id)
);
INSERT INTO "transition" VALUES(1,'reg_d4e25e418c049922',1772443320000,'detector','','open','cache_hit_rate_drop held','{"value": 0.7931242836275296, "n": 3971.1478222941632, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.9579187221096559, "weeks": 0.0, "scale": 0.003954818943992649, "effect": 4.123943934405815, "of_rest": 1.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.002544551317969385, "span_seconds": 1200.0, "began_lo_ms": 1772441700000.0, "began_hi_ms": 1772442000000.0, "before": 0.9595173678215451, "after": 0.7939904294940064}}','opened');
INSERT INTO "transition" VALUES(2,'reg_c4a7ad77534046e6',1772443320000,'detector','','open','cache_hit_rate_low held','{"value": 0.7913741561914346, "n": 795.8924118773344, "threshold": 0.85, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}','opened');
INSERT INTO "transition" VALUES(3,'reg_c4a7ad77534046e6',1772448720000,'detector','open','resolved','clear for long enough','{"value": 0.9609891959483513, "n": 859.3092099644638, "threshold": 0.85, "baseline": 0.9570355858074625, "deviation": 0.003829544634874653, "baseline_n": 1360022.8516845703, "days": 7, "breaches": 0, "of": 10, "verdict": "steady", "reason": ""}','resolved');
INSERT INTO "transition" VALUES(4,'reg_d4e25e418c049922',1772450880000,'detector','open','resolved','clear for long enough','{"value": 0.9561340304252239, "n": 4381.781988831977, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 0, "of": 3, "verdict": "steady", "reason": ""}','resolved');
INSERT INTO "transition" VALUES(5,'reg_69f6c0f2dce8d4c2',1772451360000,'detector','','open','api_response_time_regression held','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624262195727, "weeks": 0.0, "scale": 0.005692153171544347, "effect": 0.154451686330239, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014874897316283001, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.2164780164083259, "after": 0.28955409589210124}}','opened');
INSERT INTO "transition" VALUES(6,'reg_74c23bf0a029f76e',1772451360000,'detector','','open','db_response_time_regression held','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.018856247904054213, "weeks": 0.0, "scale": 0.0002640527696744786, "effect": 0.15774978769471118, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.003458420202994868, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.01881564572397766, "after": 0.025053225700182664}}','opened');
INSERT INTO "transition" VALUES(7,'reg_444009205bd2966d',1772451840000,'detector','','open','api_mean_time_regression held','{"value": 0.18589142994334745, "n": 1275.2551315537753, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12697004188666633, "weeks": 0.0, "scale": 0.0024571017753522036, "effect": 0.4570149005213484, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.05736696848454185, "span_seconds": 1200.0, "began_lo_ms": 1772450640000.0, "began_hi_ms": 1772450940000.0, "before": 0.1291182234013978, "after": 0.1848953766754709}}','opened');
INSERT INTO "transition" VALUES(8,'reg_69f6c0f2dce8d4c2',1772452560000,'detector','open','escalated','beyond the critical level','{"value": 0.3283801634177524, "n": 1281.3526520027517, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": ""}','escalated');
CREATE TABLE trouble (
	id VARCHAR NOT NULL, 
	open_key VARCHAR, 
	kind VARCHAR NOT NULL, 
	subject VARCHAR NOT NULL, 
	reporter VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	value FLOAT NOT NULL, 
	threshold FLOAT NOT NULL, 
	opened_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	resolved_ms BIGINT, 
	version INTEGER NOT NULL, 
	announced INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (open_key)
);
INSERT INTO "trouble" VALUES('recorded','recorded','recorded','recorded','recorded','recorded',1.5,1.5,1772452800000,1772452800000,1772452800000,1,1);
CREATE INDEX ix_deployment_at_ms ON deployment (at_ms);
CREATE INDEX ix_outbox_due ON outbox (next_attempt_ms);
CREATE INDEX ix_outbox_incident ON outbox (incident_id, receiver, id);
CREATE INDEX ix_incident_untold ON incident (opened_ms, id) WHERE announced < version;
CREATE INDEX ix_regression_incident_id ON regression (incident_id);
CREATE INDEX ix_regression_fingerprint ON regression (fingerprint);
CREATE INDEX ix_regression_resolved_ms ON regression (resolved_ms);
CREATE INDEX ix_transition_regression_id ON transition (regression_id);
CREATE INDEX ix_incident_step_incident_id ON incident_step (incident_id);
CREATE INDEX ix_statement_last_seen_ms ON statement (last_seen_ms);
CREATE INDEX ix_alert_group_due ON alert_group (due_ms);
CREATE INDEX ix_silence_ends_ms ON silence (ends_ms);
CREATE INDEX ix_silence_page ON silence (created_ms, id);
CREATE INDEX ix_notification_page ON notification (at_ms, id);
CREATE INDEX ix_notification_incident ON notification (incident_id, receiver, id);
CREATE INDEX ix_notification_recheck_ms ON notification (recheck_ms);
CREATE INDEX ix_trouble_resolved_ms ON trouble (resolved_ms);
CREATE INDEX ix_outbox_pace ON outbox (attempted_ms);
CREATE INDEX ix_outbox_gathered ON outbox (gathered);
CREATE INDEX ix_access_session_token_id ON access_session (token_id);
CREATE INDEX ix_access_session_expires_ms ON access_session (expires_ms);
CREATE INDEX ix_audit_at_ms ON audit (at_ms);
CREATE INDEX ix_transition_page ON transition (at_ms, id);
CREATE INDEX ix_transition_step_page ON transition (step, at_ms, id);
CREATE INDEX ix_transition_actor_page ON transition (actor, at_ms, id);
CREATE INDEX ix_incident_step_page ON incident_step (at_ms, id);
CREATE INDEX ix_incident_step_step_page ON incident_step (step, at_ms, id);
CREATE INDEX ix_incident_step_actor_page ON incident_step (actor, at_ms, id);
CREATE INDEX ix_repeat_at_ms ON repeat (at_ms);
CREATE INDEX ix_regression_page ON regression (opened_ms, id, kind, severity, phase, signal, rule, target);
CREATE INDEX ix_regression_signal_page ON regression (signal, opened_ms, id, kind, severity, phase, rule, target);
CREATE INDEX ix_regression_rule_page ON regression (rule, opened_ms, id, kind, severity, phase, signal, target);
CREATE INDEX ix_regression_target_page ON regression (target, opened_ms, id, kind, severity, phase, signal, rule);
CREATE INDEX ix_regression_live ON regression (opened_ms, id, kind, severity, phase, signal, rule, target) WHERE open_key IS NOT NULL;
CREATE INDEX ix_incident_page ON incident (opened_ms, id);
CREATE INDEX ix_incident_phase_page ON incident (phase, opened_ms, id);
CREATE INDEX ix_incident_severity_page ON incident (severity, opened_ms, id);
CREATE INDEX ix_incident_phase_severity_page ON incident (phase, severity, opened_ms, id);
CREATE INDEX ix_transition_actor_step_page ON transition (actor, step, at_ms, id);
CREATE INDEX ix_incident_step_actor_step_page ON incident_step (actor, step, at_ms, id);
CREATE INDEX ix_regression_phase_clear ON regression (phase, clear_since_ms);
CREATE INDEX ix_regression_accepted ON regression (accepted_from_ms) WHERE accepted_from_ms IS NOT NULL;
COMMIT;
