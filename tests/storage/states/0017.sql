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
INSERT INTO "access_session" VALUES('77d2dfd8a4f49bba9ee47cb18dc59c98a8ce7954c034d38ca6b78697f1a65e19','fa26d28bb6f2','ada',1772452800000,1772452801000);
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
INSERT INTO "access_token" VALUES('fa26d28bb6f2','ci','["ingest"]','b821275bd6ecc8857580f0d8def27ac953fce0fd175733dd04a3e9a3211f282c',1772452800000,NULL,NULL,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0017');
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
INSERT INTO "audit" VALUES(1,1772452800000,'ada','fa26d28bb6f2','POST','/api/v1/silences',201);
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
INSERT INTO "deployment" VALUES('dep_12452c65f672ba83','shop','2.7.1',1772449260000,'9f1c2ab','production','https://ci.example/runs/4711');
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
INSERT INTO "incident" VALUES('inc_3cf7014668cb698d','{"cache": "products", "target": "shop"}','resolved','warning',1772443320000,1772451120000,2,0,NULL);
INSERT INTO "incident" VALUES('inc_60d3351f6ae2c420','{"target": "shop"}','open','critical',1772451360000,NULL,1,0,'dep_12452c65f672ba83');
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
INSERT INTO "incident_finding" VALUES('inc_60d3351f6ae2c420',1772452800000,'',0,'{"verdict": "probable", "regression_id": "reg_74c23bf0a029f76e", "reasons": ["deepest", "deployment_fits"], "among": []}','[{"deployment_id": "dep_12452c65f672ba83", "service": "shop", "version": "2.7.1", "at_ms": 1772449260000, "url": "https://ci.example/runs/4711", "regression_id": "reg_266d2366b69f3753", "match": "same_service", "score": 1.0, "slots": {"check": "passed", "change": 1.4406554237011167, "usual": 1.0046268882168559, "spread": 0.02, "days": 7}, "peers": {"check": "unknown", "count": 0, "moved": 0}}]');
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
INSERT INTO "incident_step" VALUES(5,'inc_60d3351f6ae2c420',1772451360000,'detector','joined','same_service','{"regression": "reg_8924147fa6124dc2", "with": "reg_69f6c0f2dce8d4c2", "bond": "same_service"}');
INSERT INTO "incident_step" VALUES(6,'inc_60d3351f6ae2c420',1772451360000,'detector','origin','probable','{"from": "", "to": "reg_74c23bf0a029f76e", "reasons": ["deepest", "deployment_fits"], "among": []}');
INSERT INTO "incident_step" VALUES(7,'inc_60d3351f6ae2c420',1772451360000,'detector','correlated','shop 2.7.1','{"deployment": "dep_12452c65f672ba83", "score": 1.0, "match": "same_service"}');
INSERT INTO "incident_step" VALUES(8,'inc_60d3351f6ae2c420',1772451360000,'detector','tested','shop 2.7.1','{"deployment": "dep_12452c65f672ba83", "score": 1.0, "match": "same_service", "slots": "passed", "peers": "unknown"}');
INSERT INTO "incident_step" VALUES(9,'inc_60d3351f6ae2c420',1772452800000,'detector','joined','same_service','{"regression": "reg_266d2366b69f3753", "with": "reg_69f6c0f2dce8d4c2", "bond": "same_service"}');
INSERT INTO "incident_step" VALUES(10,'inc_60d3351f6ae2c420',1772452800000,'detector','joined','same_service','{"regression": "reg_78ea333e97f414a5", "with": "reg_266d2366b69f3753", "bond": "same_service"}');
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
	FOREIGN KEY(incident_id) REFERENCES incident (id), 
	UNIQUE (open_key)
);
INSERT INTO "regression" VALUES('reg_d4e25e418c049922','inc_3cf7014668cb698d','86cea3d8c118745a',NULL,'cache_hit_rate_drop','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',0.957344737833213,7.93124283627529624851e-01,8.6129891593254781501e-01,9.56998795480608621666e-01,1772440500000,1772440800000,1772443320000,1772451120000,1772446860000,1772451120000,'/runbooks/cache_hit_rate_drop','{"value": 0.7931242836275296, "n": 3971.1478222941632, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.9579187035560608, "weeks": 0.0, "scale": 0.003983482481044621, "effect": 4.026522468120903, "of_rest": 1.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014572186026639872, "span_seconds": 2400.0, "began_lo_ms": 1772440500000.0, "began_hi_ms": 1772440800000.0, "before": 0.9579842600067892, "after": 0.7981186894130479}}','regression',1,1772443320000,1772443320000,'[]','[]','',1.63175514011182354323e-01,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_c4a7ad77534046e6','inc_3cf7014668cb698d','9e7c84207053b694',NULL,'cache_hit_rate_low','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',9.60989195948351304643e-01,7.91374156191434585672e-01,0.85,NULL,1772442720000,1772442780000,1772443320000,1772448720000,1772446860000,1772448720000,'/runbooks/cache_hit_rate_low','{"value": 0.7913741561914346, "n": 795.8924118773344, "threshold": 0.85, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}','regression',1,1772443320000,1772443320000,'[]','[]','',7.65133946405031073467e-02,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_69f6c0f2dce8d4c2','inc_60d3351f6ae2c420','200f35ec308135d7','200f35ec308135d7','api_response_time_regression','api_p95','API p95','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','critical','escalated',3.29229117838279572438e-01,3.29229117838279572438e-01,2.61944230739164729548e-01,2.18286858949303969046e-01,1772449200000,1772449500000,1772451360000,1772452800000,NULL,NULL,'/runbooks/api_response_time_regression','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624323129654, "weeks": 0.0, "scale": 0.005711845844279727, "effect": 0.5161307885486939, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.04047822326974058, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.2177830338478088, "after": 0.32647200172800145}}','regression',1,1772451360000,1772452560000,'[]','[]','',1.09029742799587797685e-01,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_8924147fa6124dc2','inc_60d3351f6ae2c420','24de2603a62f48f9','24de2603a62f48f9','api_mean_time_regression','api_mean','API mean','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','warning','open',1.85670021738459423144e-01,1.85891429943347452624e-01,1.52559352506027812168e-01,1.27132793755023176807e-01,1772449200000,1772449500000,1772451360000,1772452800000,NULL,NULL,'/runbooks/api_mean_time_regression','{"value": 0.18444008079792848, "n": 1270.731782642944, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12662816047668457, "weeks": 0.0, "scale": 0.0024536299579555735, "effect": 0.44660751264824367, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.0697963150029023, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.12887904047966, "after": 0.18528515334536041}}','regression',1,1772451360000,1772451360000,'[]','[]','',5.74250940657429487234e-02,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_74c23bf0a029f76e','inc_60d3351f6ae2c420','12db7fbe44fd07d9','12db7fbe44fd07d9','db_response_time_regression','db_p95','Database p95','seconds','{"db": "main", "operation": "select_cart", "target": "shop"}','up','critical','open',2.83389373550714043781e-02,2.8430232885683519306e-02,2.26102176948838363979e-02,1.88418480790698630866e-02,1772449200000,1772449500000,1772451360000,1772452800000,NULL,NULL,'/runbooks/db_response_time_regression','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.01885624788701534, "weeks": 0.0, "scale": 0.00026468200846065207, "effect": 0.5060539151132285, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.0024228512038481074, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.018795546144247055, "after": 0.028272967179188202}}','regression',1,1772451360000,1772451360000,'[]','[]','',9.54283346265091120264e-03,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_78ea333e97f414a5','inc_60d3351f6ae2c420','a5c887c33ec02324','a5c887c33ec02324','api_response_time_change','api_p95','API p95','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','critical','open',3.29229117838279572438e-01,3.29229117838279572438e-01,0.226888929605484,2.18162432312965393066e-01,1772449200000,1772449500000,1772452800000,1772452800000,NULL,NULL,'/runbooks/api_response_time_change','{"value": 0.3292291178382796, "n": 1283.199320181245, "threshold": 0.226888929605484, "baseline": 0.2181624323129654, "deviation": 0.005613385194540023, "baseline_n": 393119.99935913086, "of_hours": true, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.21816243231296542, "weeks": 0.0, "scale": 0.005713732949615288, "effect": 0.5149109921564415, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.5138402127911385, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.2174240550762024, "after": 0.3277057890796513}}','regression',1,1772452800000,1772452800000,'[]','[]','',5.00334398909428212931e-01,NULL,NULL,NULL,'shop');
INSERT INTO "regression" VALUES('reg_266d2366b69f3753','inc_60d3351f6ae2c420','2c5574ae77822dab','2c5574ae77822dab','api_mean_time_change','api_mean','API mean','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','warning','open',1.85670021738459423144e-01,1.85670021738459423144e-01,1.32008019685745242588e-01,1.26930788159370422363e-01,1772449200000,1772449500000,1772452800000,1772452800000,NULL,NULL,'/runbooks/api_mean_time_change','{"value": 0.18567002173845942, "n": 1283.199320181245, "threshold": 0.13200801968574524, "baseline": 0.12693078815937042, "deviation": 0.0022967543989419934, "baseline_n": 393119.99935913086, "of_hours": true, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12693078815937045, "weeks": 0.0, "scale": 0.002473926217583729, "effect": 0.45352574339514573, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.5349302512678182, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.1291182227588673, "after": 0.18535307188750538}}','regression',1,1772452800000,1772452800000,'[]','[]','',4.54004111193581083583e-01,NULL,NULL,NULL,'shop');
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
INSERT INTO "transition" VALUES(1,'reg_d4e25e418c049922',1772443320000,'detector','','open','cache_hit_rate_drop held','{"value": 0.7931242836275296, "n": 3971.1478222941632, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.9579187035560608, "weeks": 0.0, "scale": 0.003983482481044621, "effect": 4.026522468120903, "of_rest": 1.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014572186026639872, "span_seconds": 2400.0, "began_lo_ms": 1772440500000.0, "began_hi_ms": 1772440800000.0, "before": 0.9579842600067892, "after": 0.7981186894130479}}','opened');
INSERT INTO "transition" VALUES(2,'reg_c4a7ad77534046e6',1772443320000,'detector','','open','cache_hit_rate_low held','{"value": 0.7913741561914346, "n": 795.8924118773344, "threshold": 0.85, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}','opened');
INSERT INTO "transition" VALUES(3,'reg_c4a7ad77534046e6',1772448720000,'detector','open','resolved','clear for long enough','{"value": 0.9609891959483513, "n": 859.3092099644638, "threshold": 0.85, "baseline": 0.9570288584250171, "deviation": 0.0038309739636244403, "baseline_n": 1356958.6916503906, "days": 7, "breaches": 0, "of": 10, "verdict": "steady", "reason": ""}','resolved');
INSERT INTO "transition" VALUES(4,'reg_d4e25e418c049922',1772451120000,'detector','open','resolved','clear for long enough','{"value": 0.957344737833213, "n": 4390.389113054371, "threshold": 0.8612989159325478, "baseline": 0.9569987954806086, "deviation": 0.003826872007756094, "baseline_n": 1360799.999572754, "days": 7, "breaches": 0, "of": 3, "verdict": "steady", "reason": ""}','resolved');
INSERT INTO "transition" VALUES(5,'reg_69f6c0f2dce8d4c2',1772451360000,'detector','','open','api_response_time_regression held','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624323129654, "weeks": 0.0, "scale": 0.005711845844279727, "effect": 0.5161307885486939, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.04047822326974058, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.2177830338478088, "after": 0.32647200172800145}}','opened');
INSERT INTO "transition" VALUES(6,'reg_8924147fa6124dc2',1772451360000,'detector','','open','api_mean_time_regression held','{"value": 0.18444008079792848, "n": 1270.731782642944, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12662816047668457, "weeks": 0.0, "scale": 0.0024536299579555735, "effect": 0.44660751264824367, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.0697963150029023, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.12887904047966, "after": 0.18528515334536041}}','opened');
INSERT INTO "transition" VALUES(7,'reg_74c23bf0a029f76e',1772451360000,'detector','','open','db_response_time_regression held','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.01885624788701534, "weeks": 0.0, "scale": 0.00026468200846065207, "effect": 0.5060539151132285, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.0024228512038481074, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.018795546144247055, "after": 0.028272967179188202}}','opened');
INSERT INTO "transition" VALUES(8,'reg_69f6c0f2dce8d4c2',1772452560000,'detector','open','escalated','beyond the critical level','{"value": 0.3283801634177524, "n": 1281.3526520027517, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": ""}','escalated');
INSERT INTO "transition" VALUES(9,'reg_78ea333e97f414a5',1772452800000,'detector','','open','api_response_time_change held','{"value": 0.3292291178382796, "n": 1283.199320181245, "threshold": 0.226888929605484, "baseline": 0.2181624323129654, "deviation": 0.005613385194540023, "baseline_n": 393119.99935913086, "of_hours": true, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.21816243231296542, "weeks": 0.0, "scale": 0.005713732949615288, "effect": 0.5149109921564415, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.5138402127911385, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.2174240550762024, "after": 0.3277057890796513}}','opened');
INSERT INTO "transition" VALUES(10,'reg_266d2366b69f3753',1772452800000,'detector','','open','api_mean_time_change held','{"value": 0.18567002173845942, "n": 1283.199320181245, "threshold": 0.13200801968574524, "baseline": 0.12693078815937042, "deviation": 0.0022967543989419934, "baseline_n": 393119.99935913086, "of_hours": true, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12693078815937045, "weeks": 0.0, "scale": 0.002473926217583729, "effect": 0.45352574339514573, "of_rest": 0.0, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.5349302512678182, "span_seconds": 2400.0, "began_lo_ms": 1772449200000.0, "began_hi_ms": 1772449500000.0, "before": 0.1291182227588673, "after": 0.18535307188750538}}','opened');
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
CREATE INDEX ix_regression_began ON regression (began_hi_ms, began_lo_ms);
COMMIT;
