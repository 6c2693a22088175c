/* Letting people in: by name and password, or by a certificate. Hashes are made one at a time, and only for who has tries left. */
#include <stdio.h>

#include "panel/panel_impl.h"
#include "xfed/hash.h"
#include "xfed/mem.h"

static const struct panel_users *users(const struct panel *p)
{
	return &policy_config(p->rooms.policy)->panel.users;
}

static const char *from_text(const struct panel_call *c, char out[RT_ADDR_TEXT])
{
	return rt_addr_host_text(&c->from, out);
}

void login_init(struct panel *p)
{
	const struct rt_source_limits limits = {
		.budget_address = XFED_PANEL_TRIES_ADDRESS, .budget_network = XFED_PANEL_TRIES_NETWORK, .refill_ms = XFED_PANEL_TRIES_MS
	};
	rt_sources_init(&p->logins.sources, &limits);
	for (size_t i = 0; i < PANEL_TRIES; i++) {
		p->logins.tries[i].left = XFED_PANEL_TRIES_NAME;
	}
}

/* ---- who may try ---- */

static struct login_tries *tries_of(struct panel *p, struct xfed_span name)
{
	return &p->logins.tries[xfed_hash_bytes(name.data, name.len) % PANEL_TRIES];
}

/* So that one can be kept from trying a name, and its owner not from using it where he does so. */
static bool may_try_name(struct panel *p, const struct panel_call *c, struct xfed_span name)
{
	struct login_tries *t = tries_of(p, name);
	uint64_t now_ms = core_now(p->rooms.core);
	t->left += (double)(now_ms - t->at_ms) * XFED_PANEL_TRIES_NAME / XFED_PANEL_TRIES_MS;
	t->left = t->left > XFED_PANEL_TRIES_NAME ? XFED_PANEL_TRIES_NAME : t->left;
	t->at_ms = now_ms;
	if (t->good.sa.sa_family != AF_UNSPEC && rt_source_is_same(&t->good, &c->from, RT_SOURCE_ADDRESS)) {
		return true;
	}
	if (t->left < 1) {
		return false;
	}
	t->left -= 1;
	return true;
}

/* ---- one after another ---- */

static void destroy(struct login *l)
{
	xfed_wipe(l, sizeof(*l));
	xfed_free(l);
}

static void run(void *arg)
{
	struct login *l = ((struct panel *)arg)->logins.running;
	l->is_right = rt_password_is(l->hash[0] ? l->hash : NULL, l->like[0] ? l->like : NULL, xfed_span_str(l->password));
}

static void done(void *arg);

static void next(struct panel *p)
{
	struct logins *l = &p->logins;
	if (l->running || !l->first) {
		return;
	}
	l->running = l->first;
	l->first = l->first->next;
	rt_job_start(&l->job, p->rooms.core->d.loop, run, done, p);
}

static void let_in(struct panel *p, struct panel_call *c, const struct panel_user *u)
{
	char from[RT_ADDR_TEXT];
	struct xfed_span to = request_field(&c->request, "next");
	struct panel_session *s = panel_session_begin(&p->sessions, &p->rooms.core->d.env, u, from_text(c, from), panel_time(p));
	if (!s) {
		panel_say_error(p, c, 503, W_ERROR_BUSY);
		return;
	}
	struct login_tries *t = tries_of(p, xfed_span_str(u->name));
	rt_sources_refund(&p->logins.sources, &c->from, 1);
	t->good = c->from;
	t->left = XFED_PANEL_TRIES_NAME;
	panel_audit("audit.login", s, from);
	rt_metric_add(p->rooms.core->d.metrics, RT_M_PANEL_LOGINS, 1, RT_LABELS(XFED_SPAN("ok")));
	snprintf(c->cookie, sizeof(c->cookie), "%s", s->token);
	panel_go(p, c, request_next_is_fine(to) ? to : XFED_SPAN("/"));
}

static void refuse(struct panel *p, struct panel_call *c, enum xfed_reason reason, const char *name, int status, enum panel_word word)
{
	rt_metric_add(p->rooms.core->d.metrics, RT_M_PANEL_LOGINS, 1, RT_LABELS(xfed_span_str(word == W_LOGIN_WRONG ? "wrong" : "limited")));
	panel_refuse_login(p, c, reason, name);
	panel_say_login(p, c, status, word);
}

static void done(void *arg)
{
	struct panel *p = arg;
	struct login *l = p->logins.running;
	p->logins.running = NULL;
	p->logins.count--;
	/* Other users may be in force by now. */
	const struct panel_user *u = panel_users_find(users(p), false, xfed_span_str(l->name));
	bool is_in_force = u && strcmp(u->hash, l->hash) == 0;
	if (p->is_stopped) {
		panel_finish(p, l->call);
	} else if (l->is_right && is_in_force) {
		let_in(p, l->call, u);
	} else {
		refuse(p, l->call, XFED_REASON_PANEL_LOGIN_REFUSED, u ? u->name : NULL, 403, W_LOGIN_WRONG);
	}
	destroy(l);
	next(p);
}

/* The cost of the first user's hash is that of all who were made by xfedctl. */
static const char *usual_hash(const struct panel_users *u)
{
	return u->count > 0 ? u->items[u->count - 1].hash : NULL;
}

static void queue(struct panel *p, struct panel_call *c, struct xfed_span name, struct xfed_span password)
{
	struct login *l = xfed_calloc(1, sizeof(*l)), **end = &p->logins.first;
	if (!l) {
		panel_say_error(p, c, 503, W_ERROR_BUSY);
		return;
	}
	const struct panel_user *u = panel_users_find(users(p), false, name);
	const char *like = usual_hash(users(p));
	l->call = c;
	snprintf(l->name, sizeof(l->name), "%.*s", (int)name.len, name.data);
	memcpy(l->password, password.data, password.len);
	snprintf(l->hash, sizeof(l->hash), "%s", u ? u->hash : "");
	snprintf(l->like, sizeof(l->like), "%s", like ? like : "");
	while (*end) {
		end = &(*end)->next;
	}
	*end = l;
	p->logins.count++;
	next(p);
}

void login_begin(struct panel *p, struct panel_call *c)
{
	struct xfed_span name = request_field(&c->request, "name"), password = request_field(&c->request, "password");
	name = xfed_span_trim(name);
	bool is_possible = panel_user_name_is_fine(name) && rt_password_is_usable(password);
	const struct panel_user *u = is_possible ? panel_users_find(users(p), false, name) : NULL;
	struct rt_source_refusal told = { .event = "panel.refused",
		.limit = "panel.logins",
		.address = &c->from,
		.reason = XFED_REASON_PANEL_LOGIN_LIMITED,
		.verdict = rt_sources_spend(&p->logins.sources, &c->from, 1, core_now(p->rooms.core)) };
	if (told.verdict != RT_SOURCE_OK) {
		rt_metric_add(p->rooms.core->d.metrics, RT_M_PANEL_LOGINS, 1, RT_LABELS(XFED_SPAN("limited")));
		core_count_refusal(p->rooms.core, told.reason, XFED_SIDE_OPERATOR);
		rt_sources_log(&p->logins.sources, &told, core_now(p->rooms.core));
		panel_say_login(p, c, 429, W_LOGIN_LIMITED);
	} else if (!is_possible) {
		refuse(p, c, XFED_REASON_PANEL_LOGIN_REFUSED, NULL, 403, W_LOGIN_WRONG);
	} else if (!may_try_name(p, c, name)) {
		refuse(p, c, XFED_REASON_PANEL_LOGIN_LIMITED, u ? u->name : NULL, 429, W_LOGIN_LIMITED);
	} else if (p->logins.count >= XFED_PANEL_LOGINS) {
		refuse(p, c, XFED_REASON_PANEL_BUSY, u ? u->name : NULL, 503, W_LOGIN_BUSY);
	} else {
		queue(p, c, name, password);
	}
}

/* ---- by a certificate ---- */

struct panel_session *login_by_certificate(struct panel *p, struct panel_call *c)
{
	char from[RT_ADDR_TEXT];
	if (c->is_foreign) {
		panel_refuse_login(p, c, XFED_REASON_PANEL_CERTIFICATE_UNTRUSTED, NULL);
	}
	if (!c->certificate[0]) {
		return NULL;
	}
	const struct panel_user *u = panel_users_find(users(p), true, xfed_span_str(c->certificate));
	if (!u) {
		panel_refuse_login(p, c, XFED_REASON_PANEL_CERTIFICATE_UNKNOWN, c->certificate);
		return NULL;
	}
	struct panel_session *s = panel_session_begin(&p->sessions, &p->rooms.core->d.env, u, from_text(c, from), panel_time(p));
	if (s) {
		panel_audit("audit.login", s, from);
		rt_metric_add(p->rooms.core->d.metrics, RT_M_PANEL_LOGINS, 1, RT_LABELS(XFED_SPAN("ok")));
		snprintf(c->cookie, sizeof(c->cookie), "%s", s->token);
	}
	return s;
}

void login_tick(struct panel *p)
{
	rt_sources_tick(&p->logins.sources, core_now(p->rooms.core));
}

void login_stop(struct panel *p)
{
	struct login *l = p->logins.first;
	p->logins.first = NULL;
	while (l) {
		struct login *behind = l->next;
		panel_finish(p, l->call);
		destroy(l);
		p->logins.count--;
		l = behind;
	}
}

void login_free(struct panel *p)
{
	rt_sources_deinit(&p->logins.sources);
}
