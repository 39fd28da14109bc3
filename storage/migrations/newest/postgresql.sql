CREATE TABLE access_token (
	id VARCHAR NOT NULL,
	name VARCHAR NOT NULL,
	scopes JSON NOT NULL,
	digest VARCHAR NOT NULL,
	created_ms BIGINT NOT NULL,
	expires_ms BIGINT,
	revoked_ms BIGINT,
	used_ms BIGINT,
	CONSTRAINT access_token_pkey PRIMARY KEY (id)
);

CREATE TABLE alert_group (
	id VARCHAR NOT NULL,
	revision INTEGER NOT NULL,
	due_ms BIGINT,
	content JSON NOT NULL,
	CONSTRAINT alert_group_pkey PRIMARY KEY (id)
);

CREATE INDEX ix_alert_group_due ON alert_group (due_ms);

CREATE TABLE audit (
	id SERIAL NOT NULL,
	at_ms BIGINT NOT NULL,
	actor VARCHAR NOT NULL,
	token_id VARCHAR NOT NULL,
	method VARCHAR NOT NULL,
	path VARCHAR NOT NULL,
	status INTEGER NOT NULL,
	CONSTRAINT audit_pkey PRIMARY KEY (id)
);

CREATE INDEX ix_audit_at_ms ON audit (at_ms);

CREATE TABLE deployment (
	id VARCHAR NOT NULL,
	service VARCHAR NOT NULL,
	version VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	sha VARCHAR NOT NULL,
	environment VARCHAR NOT NULL,
	url VARCHAR NOT NULL,
	CONSTRAINT deployment_pkey PRIMARY KEY (id),
	CONSTRAINT deployment_service_version_at_ms_key UNIQUE (service, version, at_ms)
);

CREATE INDEX ix_deployment_at_ms ON deployment (at_ms);

CREATE TABLE notification (
	id SERIAL NOT NULL,
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
	key VARCHAR NOT NULL,
	recheck_ms BIGINT,
	CONSTRAINT notification_pkey PRIMARY KEY (id)
);

CREATE INDEX ix_notification_incident ON notification (incident_id, receiver, id);

CREATE INDEX ix_notification_page ON notification (at_ms, id);

CREATE INDEX ix_notification_recheck_ms ON notification (recheck_ms);

CREATE TABLE outbox (
	id SERIAL NOT NULL,
	key VARCHAR NOT NULL,
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
	kind VARCHAR DEFAULT 'message'::character varying NOT NULL,
	thread_of VARCHAR DEFAULT ''::character varying NOT NULL,
	gathered VARCHAR DEFAULT ''::character varying NOT NULL,
	line TEXT DEFAULT ''::text NOT NULL,
	decided TEXT DEFAULT ''::text NOT NULL,
	CONSTRAINT outbox_pkey PRIMARY KEY (id),
	CONSTRAINT outbox_key_key UNIQUE (key)
);

CREATE INDEX ix_outbox_due ON outbox (next_attempt_ms);

CREATE INDEX ix_outbox_gathered ON outbox (gathered);

CREATE INDEX ix_outbox_incident ON outbox (incident_id, receiver, id);

CREATE INDEX ix_outbox_pace ON outbox (attempted_ms);

CREATE TABLE progress (
	name VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	CONSTRAINT progress_pkey PRIMARY KEY (name)
);

CREATE TABLE repeat (
	digest VARCHAR NOT NULL,
	request VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	status INTEGER,
	media_type VARCHAR NOT NULL,
	body VARCHAR,
	CONSTRAINT repeat_pkey PRIMARY KEY (digest)
);

CREATE INDEX ix_repeat_at_ms ON repeat (at_ms);

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
	CONSTRAINT silence_pkey PRIMARY KEY (id)
);

CREATE INDEX ix_silence_ends_ms ON silence (ends_ms);

CREATE INDEX ix_silence_page ON silence (created_ms, id);

CREATE TABLE statement (
	target VARCHAR NOT NULL,
	datname VARCHAR NOT NULL,
	fingerprint VARCHAR NOT NULL,
	text VARCHAR NOT NULL,
	first_seen_ms BIGINT NOT NULL,
	last_seen_ms BIGINT NOT NULL,
	CONSTRAINT statement_pkey PRIMARY KEY (target, datname, fingerprint)
);

CREATE INDEX ix_statement_last_seen_ms ON statement (last_seen_ms);

CREATE TABLE trouble (
	id VARCHAR NOT NULL,
	open_key VARCHAR,
	kind VARCHAR NOT NULL,
	subject VARCHAR NOT NULL,
	reporter VARCHAR NOT NULL,
	detail TEXT NOT NULL,
	value DOUBLE PRECISION NOT NULL,
	threshold DOUBLE PRECISION NOT NULL,
	opened_ms BIGINT NOT NULL,
	updated_ms BIGINT NOT NULL,
	resolved_ms BIGINT,
	version INTEGER NOT NULL,
	announced INTEGER NOT NULL,
	CONSTRAINT trouble_pkey PRIMARY KEY (id),
	CONSTRAINT trouble_open_key_key UNIQUE (open_key)
);

CREATE INDEX ix_trouble_resolved_ms ON trouble (resolved_ms);

CREATE TABLE access_session (
	digest VARCHAR NOT NULL,
	token_id VARCHAR NOT NULL,
	person VARCHAR NOT NULL,
	opened_ms BIGINT NOT NULL,
	expires_ms BIGINT NOT NULL,
	CONSTRAINT access_session_pkey PRIMARY KEY (digest),
	CONSTRAINT access_session_token_id_fkey FOREIGN KEY(token_id) REFERENCES access_token (id)
);

CREATE INDEX ix_access_session_expires_ms ON access_session (expires_ms);

CREATE INDEX ix_access_session_token_id ON access_session (token_id);

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
	CONSTRAINT incident_pkey PRIMARY KEY (id),
	CONSTRAINT incident_deployment_id_fkey FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);

CREATE INDEX ix_incident_page ON incident (opened_ms, id);

CREATE INDEX ix_incident_phase_page ON incident (phase, opened_ms, id);

CREATE INDEX ix_incident_phase_severity_page ON incident (phase, severity, opened_ms, id);

CREATE INDEX ix_incident_severity_page ON incident (severity, opened_ms, id);

CREATE INDEX ix_incident_untold ON incident (opened_ms, id) WHERE (announced < version);

CREATE TABLE incident_finding (
	incident_id VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	merged_into VARCHAR NOT NULL,
	storm BOOLEAN NOT NULL,
	origin JSON NOT NULL,
	correlations JSON NOT NULL,
	CONSTRAINT incident_finding_pkey PRIMARY KEY (incident_id),
	CONSTRAINT incident_finding_incident_id_fkey FOREIGN KEY(incident_id) REFERENCES incident (id)
);

CREATE TABLE incident_step (
	id SERIAL NOT NULL,
	incident_id VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	actor VARCHAR NOT NULL,
	step VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	evidence JSON NOT NULL,
	CONSTRAINT incident_step_pkey PRIMARY KEY (id),
	CONSTRAINT incident_step_incident_id_fkey FOREIGN KEY(incident_id) REFERENCES incident (id)
);

CREATE INDEX ix_incident_step_actor_page ON incident_step (actor, at_ms, id);

CREATE INDEX ix_incident_step_actor_step_page ON incident_step (actor, step, at_ms, id);

CREATE INDEX ix_incident_step_incident_id ON incident_step (incident_id);

CREATE INDEX ix_incident_step_page ON incident_step (at_ms, id);

CREATE INDEX ix_incident_step_step_page ON incident_step (step, at_ms, id);

CREATE TABLE regression (
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
	value DOUBLE PRECISION NOT NULL,
	worst DOUBLE PRECISION NOT NULL,
	threshold DOUBLE PRECISION NOT NULL,
	baseline DOUBLE PRECISION,
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
	by VARCHAR NOT NULL,
	recorded DOUBLE PRECISION,
	muted_until_ms BIGINT,
	silent_since_ms BIGINT,
	accepted_from_ms BIGINT,
	target VARCHAR DEFAULT ''::character varying NOT NULL,
	CONSTRAINT regression_pkey PRIMARY KEY (id),
	CONSTRAINT regression_incident_id_fkey FOREIGN KEY(incident_id) REFERENCES incident (id),
	CONSTRAINT regression_open_key_key UNIQUE (open_key)
);

CREATE INDEX ix_regression_accepted ON regression (accepted_from_ms) WHERE (accepted_from_ms IS NOT NULL);

CREATE INDEX ix_regression_began ON regression (began_hi_ms, began_lo_ms);

CREATE INDEX ix_regression_fingerprint ON regression (fingerprint);

CREATE INDEX ix_regression_incident_id ON regression (incident_id);

CREATE INDEX ix_regression_live ON regression (opened_ms, id, kind, severity, phase, signal, rule, target) WHERE (open_key IS NOT NULL);

CREATE INDEX ix_regression_page ON regression (opened_ms, id, kind, severity, phase, signal, rule, target);

CREATE INDEX ix_regression_phase_clear ON regression (phase, clear_since_ms);

CREATE INDEX ix_regression_resolved_ms ON regression (resolved_ms);

CREATE INDEX ix_regression_rule_page ON regression (rule, opened_ms, id, kind, severity, phase, signal, target);

CREATE INDEX ix_regression_signal_page ON regression (signal, opened_ms, id, kind, severity, phase, rule, target);

CREATE INDEX ix_regression_target_page ON regression (target, opened_ms, id, kind, severity, phase, signal, rule);

CREATE TABLE transition (
	id SERIAL NOT NULL,
	regression_id VARCHAR NOT NULL,
	at_ms BIGINT NOT NULL,
	actor VARCHAR NOT NULL,
	before VARCHAR NOT NULL,
	after VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	evidence JSON NOT NULL,
	step VARCHAR NOT NULL,
	CONSTRAINT transition_pkey PRIMARY KEY (id),
	CONSTRAINT transition_regression_id_fkey FOREIGN KEY(regression_id) REFERENCES regression (id)
);

CREATE INDEX ix_transition_actor_page ON transition (actor, at_ms, id);

CREATE INDEX ix_transition_actor_step_page ON transition (actor, step, at_ms, id);

CREATE INDEX ix_transition_page ON transition (at_ms, id);

CREATE INDEX ix_transition_regression_id ON transition (regression_id);

CREATE INDEX ix_transition_step_page ON transition (step, at_ms, id);

