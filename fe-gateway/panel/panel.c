/* Who asks, whether he may, and what the gateway answers: the loop's side of the panel. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "panel/panel_impl.h"
#include "xfed/hash.h"
#include "xfed/mem.h"
#include "xfed/rt/audit.h"
#include "xfed/rt/http.h"

/* ---- answers ---- */

/* At the end of the turn: then whoever answered a command has let go of what is in the answer. */
void panel_finish(struct panel *p, struct panel_call *c)
{
	c->next = p->finished;
	p->finished = c;
	if (!p->is_stopped) {
		rt_post_at_turn_end(&p->finish);
	}
}

static void give_back(void *arg)
{
	struct panel *p = arg;
	while (p->finished) {
		struct panel_call *c = p->finished;
		p->finished = c->next;
		c->next = NULL;
		web_answer(c);
	}
}

void panel_say_error(struct panel *p, struct panel_call *c, int status, enum panel_word word)
{
	c->answer = CALL_ANSWER_ERROR;
	c->status = status;
	c->word = word;
	panel_finish(p, c);
}

void panel_say_login(struct panel *p, struct panel_call *c, int status, enum panel_word word)
{
	c->answer = CALL_ANSWER_LOGIN;
	c->status = status;
	c->word = word;
	panel_finish(p, c);
}

void panel_go(struct panel *p, struct panel_call *c, struct xfed_span where)
{
	c->answer = CALL_ANSWER_GO;
	snprintf(c->location, sizeof(c->location), "%.*s", (int)where.len, where.data);
	panel_finish(p, c);
}

/* To where one signs in, and from there back to what was asked for. */
static void go_to_login(struct panel *p, struct panel_call *c)
{
	char where[PANEL_LOCATION_MAX];
	size_t len = (size_t)snprintf(where, sizeof(where), "/login?next=");
	for (size_t i = 0; i < c->uri.len && len + 4 < sizeof(where); i++) {
		unsigned char b = (unsigned char)c->uri.data[i];
		bool is_plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || (b && strchr("-._~/", b));
		len += (size_t)snprintf(where + len, sizeof(where) - len, is_plain ? "%c" : "%%%02X", b);
	}
	bool is_whole = len + 4 < sizeof(where) && request_next_is_fine(c->uri) && !xfed_span_is(c->uri, "/");
	panel_go(p, c, is_whole ? xfed_span_make(where, len) : XFED_SPAN("/login"));
}

/* ---- the log ---- */

void panel_refuse(struct panel *p, const struct panel_call *c, const char *event, enum xfed_reason reason, const char *name)
{
	char from[RT_ADDR_TEXT];
	core_count_refusal(p->rooms.core, reason, XFED_SIDE_OPERATOR);
	rt_log(RT_LOG_WARNING, event, RT_KV_STR("login", name), RT_KV_STR("from", rt_addr_host_text(&c->from, from)), RT_KV_REASON(reason),
		RT_KV_STR("result", "refused"), RT_END);
}

void panel_refuse_login(struct panel *p, const struct panel_call *c, enum xfed_reason reason, const char *name)
{
	char from[RT_ADDR_TEXT];
	panel_refuse(p, c, "audit.login", reason, name);
	rt_audit_add(RT_AUDIT_LOGIN, &(struct rt_audit){ .who = name ? name : "nobody of this name",
					     .from = rt_addr_host_text(&c->from, from),
					     .what = "sign in to the panel",
					     .result = xfed_reason_code(reason) });
}

void panel_audit(const char *event, const struct panel_session *s, const char *from)
{
	rt_log(RT_LOG_INFO, event, RT_KV_STR("login", s->name), RT_KV_STR("from", from), RT_KV_STR("role", s->is_admin ? "admin" : "reader"),
		RT_KV_STR("method", s->is_certificate ? "certificate" : "password"), RT_KV_U64("session", s->id), RT_KV_STR("result", "ok"), RT_END);
}

static void on_ended(void *user, const struct panel_session *s)
{
	panel_audit("audit.session-ended", s, s->from);
}

static void on_refused(void *user, const struct web_refusal *r)
{
	struct panel *p = user;
	char from[RT_ADDR_TEXT];
	for (uint64_t i = 0; i < r->count && i < 1000; i++) {
		core_count_refusal(p->rooms.core, r->reason, XFED_SIDE_OPERATOR);
	}
	rt_log(RT_LOG_WARNING, "panel.refused", RT_KV_STR("from", rt_addr_host_text(&r->from, from)), RT_KV_U64("count", r->count),
		RT_KV_REASON(r->reason), RT_END);
}

/* ---- commands ---- */

/* One command of a call, while it is asked. */
struct asked {
	struct panel_call *call;
	size_t at;
	const struct rt_command *command;
	bool is_told; /* it changes something, and is no trial: there is a line in the log */
	char *args;
};

static void answered(struct panel_call *c)
{
	c->pending--;
	if (c->pending == 0) {
		panel_finish(c->panel, c);
	}
}

static void on_reply(void *user, json_t *result, const char *code, const char *text)
{
	struct asked *a = user;
	struct panel_call *c = a->call;
	char from[RT_ADDR_TEXT];
	bool is_fine = result && !json_is_false(json_object_get(result, "ok"));
	if (a->is_told) {
		const char *word = is_fine ? "ok" : result ? "failed" : code;
		rt_addr_host_text(&c->from, from);
		rt_audit_add_command(a->command, c->asks[a->at].args, c->name, from, word);
		rt_log(RT_LOG_INFO, "audit.command", RT_KV_STR("login", c->name), RT_KV_STR("from", from), RT_KV_STR("noun", a->command->noun),
			RT_KV_STR("verb", a->command->verb[0] ? a->command->verb : NULL), RT_KV_STR("args", a->args), RT_KV_STR("result", word),
			RT_END);
	}
	c->results[a->at] = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result)
				   : json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", code, "text", text);
	free(a->args); /* jansson's */
	xfed_free(a);
	answered(c);
}

/* Who asks for a change of a file is ours to say, whatever the form has. */
static void sign(const struct panel_call *c, const struct rt_command *command, json_t *args)
{
	char from[RT_ADDR_TEXT];
	for (const struct rt_command_arg *a = command->args; a->key; a++) {
		if (strcmp(command->noun, "change") == 0 && strcmp(a->key, "login") == 0) {
			json_object_set_new(args, "login", json_string(c->name));
		} else if (strcmp(command->noun, "change") == 0 && strcmp(a->key, "from") == 0) {
			json_object_set_new(args, "from", json_string(rt_addr_host_text(&c->from, from)));
		}
	}
}

static void ask(struct panel *p, struct panel_call *c, size_t i)
{
	struct panel_ask *ask = &c->asks[i];
	struct asked *a = xfed_calloc(1, sizeof(*a));
	if (!a) {
		answered(c); /* the page does without */
		return;
	}
	const struct rt_command *command = rt_command_find(p->rooms.commands, ask->noun, ask->verb);
	struct rt_reply reply = { on_reply, a, NULL };
	*a = (struct asked){ .call = c, .at = i, .command = command };
	if (!command) {
		rt_reply_fail(reply, "unknown-command", "this service has no such command");
		return;
	}
	if (ask->args) {
		sign(c, command, ask->args);
	}
	bool is_trial = json_is_true(json_object_get(ask->args, "dry-run"));
	a->is_told = command->changes && !is_trial;
	a->args = a->is_told && ask->args ? json_dumps(ask->args, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) : NULL;
	rt_command_run(p->rooms.commands, command, c->role == PANEL_ADMIN, ask->args, reply, p->rooms.commands_user);
}

static void ask_all(struct panel *p, struct panel_call *c)
{
	c->answer = CALL_ANSWER_PAGE;
	c->panel = p;
	c->pending = 1;
	for (size_t i = 0; i < c->ask_count; i++) {
		c->pending++;
		ask(p, c, i);
	}
	answered(c);
}

/* ---- sessions ---- */

static void list_sessions(struct panel *p, struct panel_call *c, const struct panel_session *own)
{
	struct panel_session *s;
	c->sessions = json_array();
	for (s = p->sessions.list; s; s = s->next) {
		if (own->is_admin || strcmp(s->name, own->name) == 0) {
			json_array_append_new(c->sessions, json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:b}", "id", (json_int_t)s->id, "name", s->name,
								   "role", s->is_admin ? "admin" : "reader", "from", s->from, "since",
								   (json_int_t)s->since_s, "used", (json_int_t)s->used_s, "current", s == own));
		}
	}
	c->answer = CALL_ANSWER_PAGE;
	panel_finish(p, c);
}

static void end(struct panel *p, struct panel_call *c, struct panel_session *s, const char *by, const char *event)
{
	char from[RT_ADDR_TEXT];
	rt_log(RT_LOG_INFO, event, RT_KV_STR("login", by), RT_KV_STR("from", rt_addr_host_text(&c->from, from)), RT_KV_STR("of", s->name),
		RT_KV_U64("session", s->id), RT_KV_STR("result", "ok"), RT_END);
	panel_session_end(&p->sessions, s);
}

static void end_session(struct panel *p, struct panel_call *c, struct panel_session *own)
{
	char number[24];
	struct xfed_span id = request_field(&c->request, "id");
	snprintf(number, sizeof(number), "%.*s", (int)(id.len < 20 ? id.len : 20), id.data ? id.data : "");
	struct panel_session *s = panel_session_by_id(&p->sessions, strtoull(number, NULL, 10));
	if (s && !own->is_admin && strcmp(s->name, own->name) != 0) {
		panel_refuse(p, c, "panel.refused", XFED_REASON_PANEL_ROLE_MISSING, own->name);
		panel_say_error(p, c, 403, W_ERROR_ROLE);
		return;
	}
	bool is_own = s == own;
	if (s) {
		end(p, c, s, c->name, "audit.session-ended");
	}
	c->ends_cookie = is_own;
	panel_go(p, c, is_own ? XFED_SPAN("/login") : XFED_SPAN("/sessions"));
}

static void sign_out(struct panel *p, struct panel_call *c, struct panel_session *s)
{
	end(p, c, s, c->name, "audit.logout");
	c->ends_cookie = true;
	panel_go(p, c, XFED_SPAN("/login"));
}

/* ---- who asks ---- */

static struct panel_session *session_of(struct panel *p, struct panel_call *c)
{
	bool is_use = !xfed_span_is(c->request.path, "/live"); /* a page that is left open asks for that by itself */
	struct panel_session *s = panel_session_find(&p->sessions, c->token, is_use, panel_time(p));
	if (s && s->is_certificate && strcmp(s->name, c->certificate) != 0) {
		s = NULL;
	}
	s = s ? s : login_by_certificate(p, c);
	if (s) {
		snprintf(c->name, sizeof(c->name), "%s", s->name);
		snprintf(c->csrf, sizeof(c->csrf), "%s", s->csrf);
		c->role = s->is_admin ? PANEL_ADMIN : PANEL_READER;
	}
	return s;
}

static void without_session(struct panel *p, struct panel_call *c)
{
	if (c->kind == CALL_LOGIN_TRY) {
		login_begin(p, c);
	} else if (c->kind == CALL_LOGIN) {
		panel_say_login(p, c, 200, W_NONE);
	} else if (c->request.method == PANEL_GET && !xfed_span_is(c->request.path, "/live")) {
		go_to_login(p, c);
	} else {
		panel_refuse(p, c, "panel.refused", XFED_REASON_PANEL_SESSION_MISSING, NULL);
		c->ends_cookie = c->token[0] != '\0';
		panel_say_login(p, c, 403, W_LOGIN_ENDED);
	}
}

static bool may(struct panel *p, struct panel_call *c, const struct panel_session *s)
{
	struct xfed_span token = request_field(&c->request, "csrf");
	if (c->request.method == PANEL_POST && c->kind != CALL_LOGIN_TRY && !xfed_span_eq_secret(token, xfed_span_str(s->csrf))) {
		panel_refuse(p, c, "panel.refused", XFED_REASON_PANEL_FORM_FOREIGN, s->name);
		panel_say_error(p, c, 403, W_ERROR_TOKEN);
		return false;
	}
	if (c->route && c->role < c->route->role) {
		panel_refuse(p, c, "panel.refused", XFED_REASON_PANEL_ROLE_MISSING, s->name);
		panel_say_error(p, c, 403, W_ERROR_ROLE);
		return false;
	}
	return true;
}

static void take(struct panel *p, struct panel_call *c)
{
	struct panel_session *s = session_of(p, c);
	rt_metric_add(p->rooms.core->d.metrics, RT_M_PANEL_REQUESTS, 1, RT_NO_LABELS);
	if (!s) {
		without_session(p, c);
		return;
	}
	if (!may(p, c, s)) {
		return;
	}
	switch (c->kind) {
	case CALL_PAGE:
		ask_all(p, c);
		break;
	case CALL_LOGIN:
		panel_go(p, c, XFED_SPAN("/"));
		break;
	case CALL_LOGIN_TRY:
		login_begin(p, c);
		break;
	case CALL_LOGOUT:
		sign_out(p, c, s);
		break;
	case CALL_SESSIONS:
		list_sessions(p, c, s);
		break;
	case CALL_SESSION_END:
		end_session(p, c, s);
		break;
	}
}

/* A few in one turn: messages come in between. */
static void on_posted(uv_async_t *async)
{
	struct panel *p = async->data;
	struct panel_call *c = NULL;
	for (int i = 0; p->web && i < XFED_PANEL_TURN && (c = web_take(p->web)) != NULL; i++) {
		take(p, c);
	}
	if (c) {
		uv_async_send(async);
	}
}

/* From the server's thread; the one function of the loop that any thread may call. */
static void posted(void *arg)
{
	uv_async_send(arg);
}

/* ---- its life ---- */

static struct xfed_span pem(const struct xfed_buf *b)
{
	return xfed_buf_span(b);
}

static uint64_t hash_options(const struct config *c, const struct policy_panel_pem *files)
{
	const struct xfed_span parts[] = { pem(&files->certificate), pem(&files->key), pem(&files->client_ca) };
	uint64_t hash = c->panel.hosts.count;
	for (size_t i = 0; i < XFED_ARRAY_LEN(parts) + c->panel.hosts.count; i++) {
		struct xfed_span s = i < XFED_ARRAY_LEN(parts) ? parts[i] : xfed_span_str(c->panel.hosts.items[i - XFED_ARRAY_LEN(parts)]);
		uint64_t both[] = { hash, xfed_hash_bytes(s.data, s.len) };
		hash = xfed_hash_bytes(both, sizeof(both));
	}
	return hash;
}

static int start_server(struct panel *p)
{
	const struct config *c = policy_config(p->rooms.policy);
	const struct policy_panel_pem *files = policy_panel_pem(p->rooms.policy);
	struct web_options o = { .fd = p->fd, .listen = c->panel.listen.host, .hosts = &c->panel.hosts, .gateway = c->base.name };
	o.certificate = pem(&files->certificate).len > 0 ? pem(&files->certificate).data : NULL;
	o.key = o.certificate ? pem(&files->key).data : NULL;
	o.client_ca = pem(&files->client_ca).len > 0 ? pem(&files->client_ca).data : NULL;
	p->options = hash_options(c, files);
	char error[256];
	int rc = web_new(&o, posted, p->async, &p->web, error);
	snprintf(p->problem, sizeof(p->problem), "%s", rc == XFED_OK ? "" : error);
	p->problem_s = core_wall_s(p->rooms.core);
	if (rc != XFED_OK) {
		rt_log(RT_LOG_ERROR, "panel.failed", RT_KV_REASON(XFED_REASON_PANEL_SERVER_FAILED), RT_KV_STR("text", error), RT_END);
	}
	return rc;
}

static void set_limits(struct panel *p)
{
	const struct config *c = policy_config(p->rooms.policy);
	p->sessions.idle_ms = c->panel.session_idle_ms;
	p->sessions.life_ms = c->panel.session_life_ms;
}

static int start(struct panel *p, char error[256])
{
	const struct config *c = policy_config(p->rooms.policy);
	char address[320];
	p->fd = rt_http_listen(&c->panel.listen, "panel.listen", error);
	if (p->fd < 0) {
		return XFED_ERR_INVALID;
	}
	p->async = xfed_calloc(1, sizeof(*p->async));
	if (!p->async || uv_async_init(rt_loop_uv(p->rooms.core->d.loop), p->async, on_posted) != 0) {
		xfed_free(p->async);
		p->async = NULL;
		return XFED_ERR_NOMEM;
	}
	p->async->data = p;
	int rc = start_server(p);
	if (rc == XFED_OK) {
		rt_conf_address_text(&c->panel.listen, address);
		rt_log(RT_LOG_INFO, "panel.listening", RT_KV_STR("address", address), RT_KV_BOOL("tls", policy_panel_creds(p->rooms.policy) != NULL),
			RT_KV_U64("users", c->panel.users.count), RT_END);
	} else {
		snprintf(error, 256, "%s", p->problem);
	}
	return rc;
}

int panel_new(const struct panel_rooms *rooms, struct panel **out, char error[256])
{
	struct panel *p = *out = xfed_calloc(1, sizeof(*p));
	snprintf(error, 256, "out of memory");
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->rooms = *rooms;
	p->fd = -1;
	rt_post_init(&p->finish, rooms->core->d.loop, give_back, p);
	login_init(p);
	set_limits(p);
	return policy_config(rooms->policy)->panel.listen.host ? start(p, error) : XFED_OK;
}

void panel_tick(struct panel *p)
{
	if (p->web) {
		web_tick(p->web, core_now(p->rooms.core), on_refused, p);
		if (web_tells_denied(p->web)) {
			rt_log(RT_LOG_INFO, "panel.priority",
				RT_KV_STR("text", "the panel's thread has the priority of the others: this host denies setpriority(2), so an attack "
						  "on the panel "
						  "can delay messages"),
				RT_END);
		}
	}
	panel_session_tick(&p->sessions, panel_time(p), on_ended, p);
	login_tick(p);
}

void panel_reloaded(struct panel *p)
{
	const struct config *c = policy_config(p->rooms.policy);
	set_limits(p);
	panel_session_keep(&p->sessions, &c->panel.users, on_ended, p);
	if (p->fd >= 0 && (!p->web || p->options != hash_options(c, policy_panel_pem(p->rooms.policy)))) {
		web_free(p->web, p->rooms.core->d.loop);
		p->web = NULL;
		start_server(p);
	}
}

void panel_gauges(const struct panel *p)
{
	struct rt_metrics *m = p->rooms.core->d.metrics;
	rt_metric_set(m, RT_M_PANEL_SESSIONS, (double)p->sessions.count, RT_NO_LABELS);
	rt_metric_set(m, RT_M_PANEL_CONNECTIONS, p->web ? (double)web_connections(p->web) : 0, RT_NO_LABELS);
}

void panel_problems(const struct panel *p, json_t *list)
{
	if (!p || p->fd < 0) {
		return;
	}
	if (p->problem[0]) {
		rt_control_add_problem(list, XFED_REASON_PANEL_SERVER_FAILED, p->problem_s, "The panel does not answer: %s. %s", p->problem,
			xfed_reason_info(XFED_REASON_PANEL_SERVER_FAILED)->remedy);
	}
	if (policy_config(p->rooms.policy)->panel.users.count == 0) {
		rt_control_add_problem(list, XFED_REASON_PANEL_USERS_NONE, rt_daemon_began_s(&p->rooms.core->d),
			"The panel is open, and nobody can sign in. %s", xfed_reason_info(XFED_REASON_PANEL_USERS_NONE)->remedy);
	}
}

static void on_closed(uv_handle_t *h)
{
	xfed_free(h);
}

void panel_stop(struct panel *p)
{
	if (!p || p->is_stopped) {
		return;
	}
	rt_post_cancel(&p->finish);
	give_back(p);
	p->is_stopped = true;
	web_free(p->web, p->rooms.core->d.loop);
	p->web = NULL;
	login_stop(p);
	if (p->async) {
		uv_close((uv_handle_t *)p->async, on_closed);
		p->async = NULL;
	}
	if (p->fd >= 0) {
		close(p->fd);
	}
	p->fd = -1;
}

void panel_free(struct panel *p)
{
	if (!p) {
		return;
	}
	give_back(p); /* what was answered since */
	panel_session_free_all(&p->sessions);
	login_free(p);
	xfed_wipe(p, sizeof(*p));
	xfed_free(p);
}
