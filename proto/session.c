#include "proto/session.h"

#include "xfed/mem.h"

#include "proto/session_impl.h"

/* For the configuration of a session, which is small, and the peer's Hello, which proto/check.h limits. */
#define OWN_BYTES  (256 * 1024)
#define PEER_BYTES (64 * 1024)

static const char *const state_names[] = { "handshake", "wait-hello", "ready", "closed" };

void proto_session_enter(struct proto_session *s, enum proto_session_state state)
{
	if (s->env.trace) {
		s->env.trace(s->env.user, "channel", state_names[state]);
	}
	s->state = state;
}

/* ---- closing ---- */

static void send_close(struct proto_session *s)
{
	Xfed__Close close = XFED__CLOSE__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	close.reason = (char *)(uintptr_t)xfed_reason_code(s->reason);
	close.text = s->text;
	f.body_case = XFED__FRAME__BODY_CLOSE;
	f.close = &close;
	/* Without room or memory the peer only sees the connection close. */
	(void)proto_session_put(s, &f);
}

void proto_session_go_down(struct proto_session *s, enum xfed_reason reason, const char *text)
{
	if (s->state == PROTO_CLOSED) {
		return;
	}
	bool can_tell = s->state != PROTO_HANDSHAKE && !s->is_eof;
	s->reason = reason;
	proto_text_clean(s->text, sizeof(s->text), text);
	if (can_tell && !s->peer_said_close) {
		send_close(s);
	}
	proto_session_enter(s, PROTO_CLOSED);
	s->pending = PENDING_DOWN;
	if (can_tell && !s->is_plaintext) {
		proto_session_encrypt(s);
		xfed_tls_bye(s->tls);
	}
}

void proto_session_go_nomem(struct proto_session *s)
{
	proto_session_go_down(s, XFED_REASON_STREAM_INTERNAL, "out of memory");
}

/* ---- construction ---- */

static char *own_copy(struct proto_session *s, struct xfed_span in)
{
	return (char *)(uintptr_t)xfed_arena_copy(&s->own, in).data;
}

static Xfed__Revision *own_revision(struct proto_session *s, const struct proto_hello *h)
{
	Xfed__Revision *r = xfed_arena_alloc(&s->own, sizeof(*r));
	if (!r) {
		return NULL;
	}
	xfed__revision__init(r);
	r->epoch = h->policy_epoch;
	r->counter = h->policy_counter;
	r->hash.len = h->policy_hash.len;
	r->hash.data = (uint8_t *)own_copy(s, h->policy_hash);
	return r->hash.data ? r : NULL;
}

static int own_capabilities(struct proto_session *s, const struct proto_hello *h, Xfed__Hello *out)
{
	out->capabilities = xfed_arena_alloc(&s->own, (h->capability_count + 1) * sizeof(*out->capabilities));
	if (!out->capabilities) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < h->capability_count; i++) {
		out->capabilities[i] = own_copy(s, xfed_span_str(h->capabilities[i]));
		if (!out->capabilities[i]) {
			return XFED_ERR_NOMEM;
		}
	}
	out->n_capabilities = h->capability_count;
	return XFED_OK;
}

static int own_hello(struct proto_session *s, const struct proto_hello *h)
{
	Xfed__Hello *out = xfed_arena_alloc(&s->own, sizeof(*out));
	if (!out) {
		return XFED_ERR_NOMEM;
	}
	xfed__hello__init(out);
	out->version_min = h->version_min ? h->version_min : PROTO_VERSION_MIN;
	out->version_max = h->version_max ? h->version_max : PROTO_VERSION_MAX;
	out->role = s->role == PROTO_EDGE ? XFED__ROLE__ROLE_EDGE : XFED__ROLE__ROLE_GATEWAY;
	out->name = own_copy(s, h->name);
	out->boot_nonce = h->boot_nonce;
	out->lowest_unsettled = h->lowest_unsettled;
	out->software = own_copy(s, h->software);
	out->owner_epoch = h->owner_epoch;
	out->policy = own_revision(s, h);
	if (!out->name || !out->software || !out->policy) {
		return XFED_ERR_NOMEM;
	}
	s->hello = out;
	return own_capabilities(s, h, out);
}

static int own_names(struct proto_session *s, const struct proto_session_config *cfg)
{
	s->host = xfed_arena_copy(&s->own, cfg->host);
	s->allow = xfed_arena_alloc(&s->own, (cfg->allow_count + 1) * sizeof(*s->allow));
	if (!s->host.data || !s->allow) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < cfg->allow_count; i++) {
		s->allow[i] = own_copy(s, xfed_span_str(cfg->allow[i]));
		if (!s->allow[i]) {
			return XFED_ERR_NOMEM;
		}
	}
	s->allow_count = cfg->allow_count;
	return own_hello(s, &cfg->hello);
}

static int start_tls(struct proto_session *s, const struct proto_session_config *cfg)
{
	struct xfed_tls_params params = {
		.role = s->role == PROTO_EDGE ? XFED_TLS_SERVER : XFED_TLS_CLIENT,
		.name = s->host,
		.local_name = { "", 0 },
		.alpn = XFED_SPAN(PROTO_ALPN),
		.require_peer_cert = true,
		.oldest = XFED_TLS_1_3,
	};
	s->creds = xfed_tls_creds_ref(cfg->creds);
	int rc = xfed_tls_new(&s->env, s->creds, &params, &s->tls);
	if (rc == XFED_OK && s->role == PROTO_GATEWAY) {
		s->pending |= PENDING_JOB;
	}
	return rc;
}

void proto_session_start_hello(struct proto_session *s)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_HELLO;
	f.hello = s->hello;
	proto_session_enter(s, PROTO_WAIT_HELLO);
	if (proto_session_put(s, &f) != XFED_OK) {
		proto_session_go_nomem(s);
	}
}

int proto_session_new(const struct proto_session_config *cfg, uint64_t now_ms, struct proto_session **out)
{
	*out = NULL;
	struct proto_session *s = xfed_calloc(1, sizeof(*s));
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	s->env = *cfg->env;
	s->wall_ms = cfg->wall_ms;
	s->role = cfg->role;
	s->is_plaintext = cfg->plaintext_for_tests;
	s->now_ms = now_ms;
	s->hello_by_ms = now_ms + XFED_CHANNEL_HELLO_MS;
	xfed_arena_init(&s->own, OWN_BYTES);
	xfed_arena_init(&s->peer_memory, PEER_BYTES);
	proto_frame_reader_init(&s->reader);
	proto_pace_init(&s->pace);
	xfed_buf_init(&s->plain, PROTO_OUTPUT_BYTES);
	xfed_buf_init(&s->raw, XFED_TLS_INPUT_BYTES);
	xfed_buf_init(&s->none, 0);
	int rc = own_names(s, cfg);
	if (rc == XFED_OK && !s->is_plaintext) {
		rc = start_tls(s, cfg);
	}
	if (rc != XFED_OK) {
		proto_session_free(s);
		return rc;
	}
	if (s->is_plaintext) {
		proto_session_start_hello(s);
	}
	*out = s;
	return XFED_OK;
}

void proto_session_free(struct proto_session *s)
{
	if (!s) {
		return;
	}
	XFED_REQUIRE(!s->job_running);
	xfed_tls_free(s->tls);
	xfed_tls_creds_unref(s->creds);
	proto_frame_reader_deinit(&s->reader);
	xfed_buf_wipe(&s->plain);
	xfed_buf_deinit(&s->raw);
	proto_told_deinit(&s->told);
	xfed_arena_deinit(&s->own);
	xfed_arena_deinit(&s->peer_memory);
	xfed_free(s);
}

static bool take_pending(struct proto_session *s, unsigned flag)
{
	bool is_set = (s->pending & flag) != 0;
	s->pending &= ~flag;
	return is_set;
}

static bool next_pending(struct proto_session *s, struct proto_action *act)
{
	*act = (struct proto_action){ .reason = XFED_REASON_NONE, .text = "" };
	if (take_pending(s, PENDING_JOB)) {
		s->job_running = true;
		act->type = PROTO_ACT_JOB;
	} else if (take_pending(s, PENDING_UP)) {
		act->type = PROTO_ACT_UP;
	} else if (take_pending(s, PENDING_CREDIT)) {
		act->type = PROTO_ACT_CREDIT;
	} else if (take_pending(s, PENDING_DOWN)) {
		act->type = PROTO_ACT_DOWN;
		act->reason = s->reason;
		act->text = s->text;
	} else {
		return false;
	}
	return true;
}

bool proto_session_next(struct proto_session *s, struct proto_action *act)
{
	if (s->job_running) {
		return false;
	}
	return next_pending(s, act) || proto_session_pump(s, act) || next_pending(s, act);
}

/* ---- events ---- */

static bool is_busy(const struct proto_session *s)
{
	return s->job_running || (s->pending & PENDING_JOB);
}

static int take_bytes(struct proto_session *s, struct proto_event *ev, uint64_t now_ms)
{
	bool nomem = false;
	ev->consumed = 0;
	if (s->state == PROTO_CLOSED || s->is_eof) {
		ev->consumed = ev->bytes.len; /* ignored, because the session is closing */
		return XFED_OK;
	}
	s->heard_ms = now_ms;
	if (s->is_plaintext) {
		ev->consumed = proto_frame_feed(&s->reader, ev->bytes, &nomem);
	} else {
		size_t room = s->raw.cap_bytes - xfed_buf_len(&s->raw);
		struct xfed_span in = { ev->bytes.data, ev->bytes.len < room ? ev->bytes.len : room };
		nomem = xfed_buf_append(&s->raw, in) != XFED_OK;
		ev->consumed = nomem ? 0 : in.len;
	}
	if (nomem && is_busy(s)) {
		return XFED_ERR_NOMEM; /* nothing was taken; the driver may offer the bytes again */
	}
	if (nomem) {
		proto_session_go_nomem(s);
		return XFED_ERR_NOMEM;
	}
	if (s->state == PROTO_HANDSHAKE && !is_busy(s)) {
		proto_session_handshake_waits(s);
	}
	return XFED_OK;
}

static uint64_t dead_at(const struct proto_session *s)
{
	uint64_t by_bytes = s->heard_ms + XFED_CHANNEL_DEAD_MS;
	uint64_t by_ping = s->ping_sent_ms + XFED_CHANNEL_DEAD_MS - XFED_CHANNEL_PING_MS;
	return by_bytes > by_ping ? by_bytes : by_ping;
}

/* For a link that is up: sends pings, and closes it when the peer does not answer. */
static void keep_alive(struct proto_session *s, uint64_t now_ms)
{
	if (s->ping_outstanding && now_ms >= dead_at(s)) {
		proto_session_go_down(s, XFED_REASON_CHANNEL_TIMEOUT, "the peer does not answer");
		return;
	}
	if (!s->ping_outstanding && now_ms >= s->ping_due_ms) {
		s->ping_outstanding = true;
		s->ping_sent_ms = now_ms;
		s->ping_due_ms = now_ms + XFED_CHANNEL_PING_MS;
		proto_session_send_number(s, XFED__FRAME__BODY_PING, ++s->ping_id);
	}
}

static void tick(struct proto_session *s, uint64_t now_ms)
{
	if (s->state == PROTO_READY) {
		keep_alive(s, now_ms);
	} else if (s->state != PROTO_CLOSED && now_ms >= s->hello_by_ms) {
		proto_session_go_down(
			s, XFED_REASON_CHANNEL_TIMEOUT, s->state == PROTO_HANDSHAKE ? "the TLS handshake took too long" : "no hello in time");
	}
}

/* Notes what cannot be done while a job is running; it is done when the job has ended. */
static void defer(struct proto_session *s, const struct proto_event *ev, uint64_t now_ms)
{
	if (ev->type == PROTO_EV_EOF) {
		s->is_eof = true;
	} else if (!s->is_closing && (ev->type == PROTO_EV_CLOSE || now_ms >= s->hello_by_ms)) {
		bool is_ours = ev->type == PROTO_EV_CLOSE;
		s->is_closing = true;
		s->reason = is_ours ? ev->reason : XFED_REASON_CHANNEL_TIMEOUT;
		proto_text_clean(s->text, sizeof(s->text), is_ours ? ev->text : "the TLS handshake took too long");
	}
}

int proto_session_step(struct proto_session *s, struct proto_event *ev, uint64_t now_ms)
{
	s->now_ms = now_ms;
	if (s->job_running && ev->type != PROTO_EV_BYTES && ev->type != PROTO_EV_JOB_DONE) {
		defer(s, ev, now_ms);
		return XFED_OK;
	}
	switch (ev->type) {
	case PROTO_EV_BYTES:
		return take_bytes(s, ev, now_ms);
	case PROTO_EV_EOF:
		s->is_eof = true;
		if (s->state == PROTO_HANDSHAKE && !is_busy(s)) {
			proto_session_handshake_waits(s);
		}
		return XFED_OK;
	case PROTO_EV_JOB_DONE:
		proto_session_job_done(s);
		return XFED_OK;
	case PROTO_EV_TICK:
		tick(s, now_ms);
		return XFED_OK;
	case PROTO_EV_CLOSE:
		proto_session_go_down(s, ev->reason, ev->text);
		return XFED_OK;
	}
	return XFED_OK;
}

uint64_t proto_session_deadline(const struct proto_session *s)
{
	switch (s->state) {
	case PROTO_HANDSHAKE:
	case PROTO_WAIT_HELLO:
		return s->is_closing ? UINT64_MAX : s->hello_by_ms;
	case PROTO_READY:
		return s->ping_outstanding ? dead_at(s) : s->ping_due_ms;
	case PROTO_CLOSED:
		break;
	}
	return UINT64_MAX;
}

/* ---- state ---- */

bool proto_session_is_up(const struct proto_session *s)
{
	return s->state == PROTO_READY;
}

const struct proto_peer *proto_session_peer(const struct proto_session *s)
{
	return s->peer.hello ? &s->peer : NULL;
}

const char *proto_session_proved(const struct proto_session *s)
{
	return s->peer.cert_name;
}

uint64_t proto_session_rtt_us(const struct proto_session *s)
{
	return s->rtt_us;
}

struct proto_clock proto_session_clock(const struct proto_session *s)
{
	return s->clock;
}

void proto_session_set_lowest(struct proto_session *s, uint64_t lowest_unsettled)
{
	s->hello->lowest_unsettled = lowest_unsettled;
}
