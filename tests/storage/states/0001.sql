BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
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
INSERT INTO "incident" VALUES('inc_ec1dd76c138e2d9d','{"cache": "products", "target": "shop"}','resolved','warning',1772447820000,1772452560000,2,0,NULL);
INSERT INTO "incident" VALUES('inc_60d3351f6ae2c420','{"target": "shop"}','open','critical',1772451360000,NULL,1,0,'dep_79c8503a4f3fd067');
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
	ts VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE ("key")
);
INSERT INTO "outbox" VALUES(1,'recorded','recorded','recorded',1,'recorded','recorded','recorded','recorded','recorded','recorded','recorded',1,1,1772452800000,1772452800000,1772452800000,1772452800000,1772452800000,'recorded','recorded','recorded','recorded');
CREATE TABLE progress (
	name VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "progress" VALUES('tick',1772452800000);
CREATE TABLE regression (
	id VARCHAR NOT NULL, 
	incident_id VARCHAR NOT NULL, 
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
	PRIMARY KEY (id), 
	FOREIGN KEY(incident_id) REFERENCES incident (id), 
	UNIQUE (open_key)
);
INSERT INTO "regression" VALUES('reg_a6d16952d828954a','inc_ec1dd76c138e2d9d','86cea3d8c118745a',NULL,'cache_hit_rate_drop','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',9.5632784277228777281e-01,0.795102946381749,8.61333422581606167334e-01,9.57037136201784655042e-01,1772446200000,1772446500000,1772447820000,1772452560000,1772448960000,1772452560000,'/runbooks/cache_hit_rate_drop','{"value": 0.795102946381749, "n": 4246.175138422915, "threshold": 0.8613334225816062, "baseline": 0.9570371362017847, "deviation": 0.003829000301038707, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.956778465678261, "scale": 0.004056772324413016, "effect": -0.16935378973696502, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.008713190340391775, "span_seconds": 1200.0, "began_lo_ms": 1772446200000.0, "began_hi_ms": 1772446500000.0, "before": 0.9553238226624271, "after": 0.7942279892271389}}');
INSERT INTO "regression" VALUES('reg_6af6772192320333','inc_ec1dd76c138e2d9d','9e7c84207053b694',NULL,'cache_hit_rate_low','cache_hit_rate','Cache hit rate','ratio','{"cache": "products", "target": "shop"}','down','warning','resolved',9.57016173315872076265e-01,7.92109494450414342026e-01,0.85,NULL,1772447220000,1772447280000,1772447820000,1772449620000,1772448960000,1772449620000,'/runbooks/cache_hit_rate_low','{"value": 0.7921094944504143, "n": 850.4740086970108, "threshold": 0.85, "baseline": 0.9570371362017847, "deviation": 0.003829000301038707, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}');
INSERT INTO "regression" VALUES('reg_69f6c0f2dce8d4c2','inc_60d3351f6ae2c420','200f35ec308135d7','200f35ec308135d7','api_response_time_regression','api_p95','API p95','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','critical','escalated',3.29229117838279572438e-01,3.29229117838279572438e-01,2.61944230739164729548e-01,2.18286858949303969046e-01,1772450160000,1772450460000,1772451360000,1772452800000,NULL,NULL,'/runbooks/api_response_time_regression','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624262195727, "scale": 0.005692153171544347, "effect": 0.154451686330239, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014874897316283001, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.2164780164083259, "after": 0.28955409589210124}}');
INSERT INTO "regression" VALUES('reg_74c23bf0a029f76e','inc_60d3351f6ae2c420','12db7fbe44fd07d9','12db7fbe44fd07d9','db_response_time_regression','db_p95','Database p95','seconds','{"db": "main", "operation": "select_cart", "target": "shop"}','up','critical','open',2.83389373550714043781e-02,2.8430232885683519306e-02,2.26102176948838363979e-02,1.88418480790698630866e-02,1772450160000,1772450460000,1772451360000,1772452800000,NULL,NULL,'/runbooks/db_response_time_regression','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.018856247904054213, "scale": 0.0002640527696744786, "effect": 0.15774978769471118, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.003458420202994868, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.01881564572397766, "after": 0.025053225700182664}}');
INSERT INTO "regression" VALUES('reg_444009205bd2966d','inc_60d3351f6ae2c420','24de2603a62f48f9','24de2603a62f48f9','api_mean_time_regression','api_mean','API mean','seconds','{"method": "GET", "route": "/cart", "target": "shop"}','up','warning','open',1.85670021738459423144e-01,1.85891429943347452624e-01,1.52559352506027812168e-01,1.27132793755023176807e-01,1772450640000,1772450940000,1772451840000,1772452800000,NULL,NULL,'/runbooks/api_mean_time_regression','{"value": 0.18589142994334745, "n": 1275.2551315537753, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12697004188666633, "scale": 0.0024571017753522036, "effect": 0.4570149005213484, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.05736696848454185, "span_seconds": 1200.0, "began_lo_ms": 1772450640000.0, "began_hi_ms": 1772450940000.0, "before": 0.1291182234013978, "after": 0.1848953766754709}}');
CREATE TABLE transition (
	id INTEGER NOT NULL, 
	regression_id VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	actor VARCHAR NOT NULL, 
	"before" VARCHAR NOT NULL, 
	"after" VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(regression_id) REFERENCES regression (id)
);
INSERT INTO "transition" VALUES(1,'reg_a6d16952d828954a',1772447820000,'detector','','open','cache_hit_rate_drop held','{"value": 0.795102946381749, "n": 4246.175138422915, "threshold": 0.8613334225816062, "baseline": 0.9570371362017847, "deviation": 0.003829000301038707, "baseline_n": 1360799.999572754, "days": 7, "breaches": 3, "of": 3, "verdict": "regressed", "reason": "", "stages": {"expected": 0.956778465678261, "scale": 0.004056772324413016, "effect": -0.16935378973696502, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.008713190340391775, "span_seconds": 1200.0, "began_lo_ms": 1772446200000.0, "began_hi_ms": 1772446500000.0, "before": 0.9553238226624271, "after": 0.7942279892271389}}');
INSERT INTO "transition" VALUES(2,'reg_6af6772192320333',1772447820000,'detector','','open','cache_hit_rate_low held','{"value": 0.7921094944504143, "n": 850.4740086970108, "threshold": 0.85, "baseline": 0.9570371362017847, "deviation": 0.003829000301038707, "baseline_n": 1360799.999572754, "days": 7, "breaches": 10, "of": 10, "verdict": "regressed", "reason": ""}');
INSERT INTO "transition" VALUES(3,'reg_6af6772192320333',1772449620000,'detector','open','resolved','clear for long enough','{"value": 0.9570161733158721, "n": 867.3551709011776, "threshold": 0.85, "baseline": 0.9570383823458533, "deviation": 0.0038321763094164812, "baseline_n": 1360799.999572754, "days": 7, "breaches": 0, "of": 10, "verdict": "steady", "reason": ""}');
INSERT INTO "transition" VALUES(4,'reg_69f6c0f2dce8d4c2',1772451360000,'detector','','open','api_response_time_regression held','{"value": 0.3257050045160966, "n": 1270.731782642944, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.2181624262195727, "scale": 0.005692153171544347, "effect": 0.154451686330239, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.014874897316283001, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.2164780164083259, "after": 0.28955409589210124}}');
INSERT INTO "transition" VALUES(5,'reg_74c23bf0a029f76e',1772451360000,'detector','','open','db_response_time_regression held','{"value": 0.02843023288568352, "n": 1466.2289799726277, "threshold": 0.022610217694883836, "baseline": 0.018841848079069863, "deviation": 0.0002661534026256009, "baseline_n": 453600.0004272461, "days": 7, "breaches": 3, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.018856247904054213, "scale": 0.0002640527696744786, "effect": 0.15774978769471118, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": -0.003458420202994868, "span_seconds": 1200.0, "began_lo_ms": 1772450160000.0, "began_hi_ms": 1772450460000.0, "before": 0.01881564572397766, "after": 0.025053225700182664}}');
INSERT INTO "transition" VALUES(6,'reg_444009205bd2966d',1772451840000,'detector','','open','api_mean_time_regression held','{"value": 0.18589142994334745, "n": 1275.2551315537753, "threshold": 0.1525593525060278, "baseline": 0.12713279375502318, "deviation": 0.002474377541075266, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": "", "stages": {"expected": 0.12697004188666633, "scale": 0.0024571017753522036, "effect": 0.4570149005213484, "agreeing": 1.0, "suspecting": 1.0, "unusual": 1.0, "kept": 0.05736696848454185, "span_seconds": 1200.0, "began_lo_ms": 1772450640000.0, "began_hi_ms": 1772450940000.0, "before": 0.1291182234013978, "after": 0.1848953766754709}}');
INSERT INTO "transition" VALUES(7,'reg_69f6c0f2dce8d4c2',1772452560000,'detector','open','escalated','beyond the critical level','{"value": 0.3283801634177524, "n": 1281.3526520027517, "threshold": 0.26194423073916473, "baseline": 0.21828685894930397, "deviation": 0.005461637711007762, "baseline_n": 393119.99935913086, "days": 7, "breaches": 4, "of": 4, "verdict": "regressed", "reason": ""}');
INSERT INTO "transition" VALUES(8,'reg_a6d16952d828954a',1772452560000,'detector','open','resolved','clear for long enough','{"value": 0.9563278427722878, "n": 4435.451487701834, "threshold": 0.8613334225816062, "baseline": 0.9570371362017847, "deviation": 0.003829000301038707, "baseline_n": 1360799.999572754, "days": 7, "breaches": 0, "of": 3, "verdict": "steady", "reason": ""}');
CREATE INDEX ix_deployment_at_ms ON deployment (at_ms);
CREATE INDEX ix_outbox_due ON outbox (next_attempt_ms);
CREATE INDEX ix_outbox_incident ON outbox (incident_id, receiver, id);
CREATE INDEX ix_incident_opened_ms ON incident (opened_ms);
CREATE INDEX ix_incident_phase ON incident (phase);
CREATE INDEX ix_incident_untold ON incident (opened_ms, id) WHERE announced < version;
CREATE INDEX ix_regression_fingerprint ON regression (fingerprint);
CREATE INDEX ix_regression_incident_id ON regression (incident_id);
CREATE INDEX ix_regression_page ON regression (opened_ms, id);
CREATE INDEX ix_regression_phase ON regression (phase);
CREATE INDEX ix_regression_resolved_ms ON regression (resolved_ms);
CREATE INDEX ix_regression_signal_page ON regression (signal, opened_ms, id);
CREATE INDEX ix_transition_regression_id ON transition (regression_id);
COMMIT;
