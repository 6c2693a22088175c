#include "admin/check.h"
#include "admin/dns.h"
#include "xfed/rt/audit.h"

/* ---- status ---- */

static void add_clock_problem(void *list, const struct channel_facts *f)
{
	char words[640];
	if (proto_clock_is_apart(&f->clock)) {
		proto_clock_words(&f->clock, f->peer, words, sizeof(words));
		rt_control_add_problem(list, XFED_REASON_CHANNEL_CLOCK_APART, f->since_s, "%s", words);
	}
}

static void add_refused(const struct admin *a, json_t *list)
{
	struct channel_refusal r;
	char text[320];
	if (channel_refused(a->channel, true, &r)) {
		rt_control_add_problem(list, r.reason, r.at_s, "A gateway at %s does not get a link: %s. %s", r.from,
			proto_text_clean(text, sizeof(text), r.text), xfed_reason_info(r.reason)->remedy);
	}
}

/* May be a gateway with a wrong certificate, or any host that can connect: reported only while no gateway is linked. */
static void add_refused_stranger(const struct admin *a, json_t *list)
{
	struct channel_refusal r;
	char text[320];
	if (channel_refused(a->channel, false, &r)) {
		rt_control_add_problem(list, r.reason, r.at_s,
			"Somebody at %s who has not proved to be a gateway does not get a link: %s. If that is a gateway: %s If it is none, "
			"let the firewall keep it from channel.listen.",
			r.from, proto_text_clean(text, sizeof(text), r.text), xfed_reason_info(r.reason)->remedy);
	}
}

#define FAILING_MAX   10    /* pairs reported one by one; further ones are counted */
#define FAILING_OLD_S 86400 /* a pair whose last attempt is older than this is not reported: it may work by now */

struct failing {
	struct admin *admin;
	json_t *list;
	size_t count;
	struct {
		enum xfed_reason reason;
		int64_t since_s;
	} last;
};

static void add_failing(void *user, const struct s2s_standing *st)
{
	struct failing *f = user;
	char last[24], worked[24];
	if (st->reason == XFED_REASON_NONE || st->is_made_up || st->failed_s + FAILING_OLD_S < core_wall_s(f->admin->core)) {
		return;
	}
	f->last.reason = st->reason;
	f->last.since_s = st->fails_since_s;
	if (f->count++ >= FAILING_MAX) {
		return;
	}
	rt_control_add_problem(f->list, st->reason, st->fails_since_s,
		"%s cannot be reached from %s, tried last at %s%s%s. %s %s%s. xfedctl failures retry %s "
		"tries now.",
		st->remote, st->local, rt_control_time(st->failed_s, last), st->text[0] ? ": " : "", st->text, xfed_reason_info(st->reason)->remedy,
		st->worked_s > 0 ? "It worked last at " : "It has not worked since this edge was started",
		st->worked_s > 0 ? rt_control_time(st->worked_s, worked) : "", st->remote);
}

static void add_partners(struct admin *a, json_t *list)
{
	struct failing f = { .admin = a, .list = list };
	int64_t since_s;
	size_t untrusted = s2s_untrusted(a->s2s, &since_s);
	if (untrusted > 0) {
		rt_control_add_problem(list, XFED_REASON_TLS_CERT_UNTRUSTED, since_s,
			"Of no partner has the certificate been found trusted since trust.ca (%.200s) was loaded, and %zu %s refused: %s. Correct "
			"trust.ca, or the file, and reload.",
			a->config->trust.ca, untrusted, untrusted == 1 ? "was" : "were",
			untrusted == 1 ? "its chain is at fault, or that file has not the authorities it should have"
				       : "most likely that file has not the authorities it should have");
	}
	s2s_each_standing(a->s2s, add_failing, &f);
	if (f.count > FAILING_MAX) {
		rt_control_add_problem(list, f.last.reason, f.last.since_s,
			"%zu more partners cannot be reached, one of them for this reason: failures list has them all.", f.count - FAILING_MAX);
	}
}

static void add_own_names(struct admin *a, json_t *list)
{
	size_t more;
	int64_t since_s;
	const char *first = s2s_unnamed(a->s2s, &more, &since_s);
	char others[48] = "";
	if (more > 0) {
		snprintf(others, sizeof(others), ", nor %zu more of our domains", more);
	}
	if (first) {
		rt_control_add_problem(list, XFED_REASON_TLS_OWN_MISSING, since_s, "No certificate of certificates[] names %s%s. %s", first, others,
			xfed_reason_info(XFED_REASON_TLS_OWN_MISSING)->remedy);
	}
}

struct falling_back {
	json_t *list;
	size_t count;
};

static void add_falling_back(void *user, const struct s2s_standing *st)
{
	struct falling_back *f = user;
	if (st->reason == XFED_REASON_NONE && st->why_not_external != XFED_REASON_NONE && f->count++ < FAILING_MAX) {
		rt_control_add_problem(f->list, st->why_not_external, st->without_since_s,
			"%s is reached from %s by dialback, for the certificate login has failed. %s To try it again now: xfedctl failures "
			"retry %s (on the gateway).",
			st->remote, st->local, xfed_reason_info(st->why_not_external)->remedy, st->remote);
	}
}

/* Facts worth knowing that may need no action. */
static json_t *notes(const struct admin *a)
{
	struct falling_back f = { .list = json_array() };
	s2s_each_standing(a->s2s, add_falling_back, &f);
	if (channel_links_up(a->channel) > 0) {
		add_refused_stranger(a, f.list);
	}
	rt_daemon_add_ends(&a->core->d, RT_CERT_PARTNER, f.list);
	return f.list;
}

static json_t *problems(struct admin *a)
{
	json_t *list = json_array();
	int64_t since_s;
	enum xfed_reason why = channel_down_reason(a->channel, &since_s);
	if (channel_links_up(a->channel) == 0) {
		rt_control_add_problem(list, why, since_s, "%s", xfed_reason_info(why)->remedy);
		add_refused_stranger(a, list);
	} else if (!s2s_policy(a->s2s)) {
		rt_control_add_problem(list, XFED_REASON_CHANNEL_DOWN, rt_daemon_began_s(&a->core->d), "No gateway has sent a policy yet.");
	}
	add_refused(a, list);
	channel_each(a->channel, add_clock_problem, list);
	rt_control_add_certificates(list, s2s_creds(a->s2s), core_wall_s(a->core));
	rt_control_add_certificates(list, channel_creds(a->channel), core_wall_s(a->core));
	rt_daemon_add_ends(&a->core->d, RT_CERT_CHANNEL, list);
	add_own_names(a, list);
	add_partners(a, list);
	rt_daemon_problems(&a->core->d, &a->config->base.doc, list);
	return list;
}

static void add_link(void *list, const struct channel_facts *f)
{
	json_t *j =
		json_pack("{s:s, s:b, s:I, s:f}", "peer", f->peer, "up", 1, "since", (json_int_t)f->since_s, "rtt_ms", (double)f->rtt_us / 1000.0);
	if (j && f->clock.is_known) {
		json_object_set_new(j, "clock_ms", json_integer(f->clock.ahead_ms));
	}
	json_array_append_new(list, j);
}

static json_t *links(const struct admin *a)
{
	json_t *list = json_array();
	channel_each(a->channel, add_link, list);
	return list;
}

static json_t *policy(const struct admin *a)
{
	const struct proto_revision *r = channel_revision(a->channel);
	return rt_control_policy(r->epoch, r->counter, r->hash, xfed_policy_good_count(s2s_policy(a->s2s)));
}

json_t *admin_status(struct admin *a)
{
	size_t in, out;
	s2s_count_established(a->s2s, &in, &out);
	json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:i, s:s, s:o, s:o, s:o, s:{s:I, s:I}, s:I}", "name", a->config->base.name, "role", "edge",
		"version", XFED_VERSION, "uptime_s", (json_int_t)((core_now(a->core) - a->core->d.started_ms) / 1000), "pid", (int)getpid(), "state",
		a->service_word(a->user), "problems", problems(a), "notes", notes(a), "channel", links(a), "streams", "in", (json_int_t)in, "out",
		(json_int_t)out, "deliveries_in_flight",
		(json_int_t)(proto_outbox_count(proto_exchange_outbox(channel_exchange(a->channel))) + s2s_waiting(a->s2s)));
	if (j && s2s_policy(a->s2s)) {
		json_object_set_new(j, "policy", policy(a));
	}
	return j;
}

void command_status(struct rt_reply reply, const json_t *args, void *user)
{
	rt_reply_ok(reply, admin_status(user));
}

/* ---- streams ---- */

static json_t *certificate(const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	return json_pack(
		"{s:s, s:s, s:I, s:s}", "subject", f->subject, "issuer", f->issuer, "not_after", (json_int_t)f->not_after_s, "sha256", f->sha256_hex);
}

json_t *admin_stream_json(struct admin *a, const struct s2s_stream *st)
{
	const struct xfed_s2s_info *info = &st->info;
	uint64_t now = core_now(a->core);
	json_t *j = json_pack("{s:I, s:o, s:o, s:s, s:s, s:s, s:I, s:I, s:I}", "id", (json_int_t)st->id, "local", rt_control_text(info->local),
		"remote", rt_control_text(info->remote), "direction", st->direction == XFED_S2S_IN ? "in" : "out", "state", info->state_name,
		"peer_address", st->address, "age_s", (json_int_t)((now - info->opened_ms) / 1000), "idle_s",
		(json_int_t)((now - info->last_traffic_ms) / 1000), "queued", (json_int_t)st->queued);
	if (!j) {
		return NULL;
	}
	if (info->is_secure) {
		json_object_set_new(j, "tls", json_string(info->tls.version ? info->tls.version : ""));
		json_object_set_new(j, "cipher", json_string(info->tls.cipher ? info->tls.cipher : ""));
		if (info->tls.peer) {
			json_object_set_new(j, "certificate", certificate(info->tls.peer));
		}
	}
	if (info->is_authenticated) {
		json_object_set_new(j, "method", json_string(xfed_method_name(info->method)));
	}
	return j;
}

struct listing {
	struct admin *admin;
	struct xfed_span domain;
	json_t *list;
};

static void list_one(void *user, const struct s2s_stream *st)
{
	struct listing *l = user;
	if (!st->is_connecting && (l->domain.len == 0 || xfed_span_eq(l->domain, st->info.remote))) {
		json_array_append_new(l->list, admin_stream_json(l->admin, st));
	}
}

json_t *admin_streams(struct admin *a, struct xfed_span domain)
{
	struct listing l = { a, domain, json_array() };
	s2s_each(a->s2s, list_one, &l);
	return json_pack("{s:o}", "streams", l.list);
}

void command_stream_list(struct rt_reply reply, const json_t *args, void *user)
{
	rt_reply_ok(reply, admin_streams(user, xfed_span_str(json_string_value(json_object_get(args, "domain")))));
}

static void answer_stream(struct rt_reply reply, const json_t *args, void *user, json_t *(*fn)(struct admin *a, struct xfed_span id))
{
	const char *id = json_string_value(json_object_get(args, "id"));
	json_t *j = fn(user, xfed_span_str(id));
	if (j) {
		rt_reply_ok(reply, j);
	} else {
		rt_reply_fail(reply, "not-found", "there is no stream %.40s; stream list has those there are", id);
	}
}

void command_stream_show(struct rt_reply reply, const json_t *args, void *user)
{
	answer_stream(reply, args, user, admin_stream_show);
}

void command_stream_close(struct rt_reply reply, const json_t *args, void *user)
{
	answer_stream(reply, args, user, admin_stream_close);
}

/* ---- configuration ---- */

void command_config_show(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *a = user;
	rt_control_show_config(reply, &a->config->base.doc);
}

void command_config_check(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *a = user;
	rt_reply_ok(reply, a->read_files(a->user, true));
}

/* ---- certificates ---- */

static json_t *domains(const struct admin *a)
{
	const struct xfed_policy *p = s2s_policy(a->s2s);
	json_t *list = json_array();
	for (size_t i = 0; p && i < xfed_policy_local_count(p); i++) {
		json_array_append_new(list, json_string(xfed_policy_local_at(p, i)));
	}
	return list;
}

void command_cert_watched(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *a = user;
	a->gauges(a->user);
	rt_reply_ok(reply, json_pack("{s:o, s:o}", "certificates", rt_daemon_watched(&a->core->d), "domains", domains(a)));
}

void command_audit_list(struct rt_reply reply, const json_t *args, void *user)
{
	(void)user;
	rt_audit_list(reply, args);
}

void command_reload(struct rt_reply reply, const json_t *args, void *user)
{
	const struct admin *a = user;
	rt_reply_ok(reply, a->read_files(a->user, false));
}

/* SERVED in rt/commands.def says which daemon has a command: both, or the gateway alone. */
#define HANDLER_BOTH(id)     command_##id
#define HANDLER_GATEWAY(id)  NULL
#define HANDLER_INTERNAL(id) NULL
#define HANDLER_INSIDE(id)   command_##id
#define HANDLER_XFEDCTL(id)  NULL
#define HANDLER_PANEL(id)    NULL

static rt_command_handler *const handlers[] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) HANDLER_##served(id),
#include "xfed/rt/commands.def"
};

const struct rt_command_table admin_commands = { rt_commands, handlers, RT_COMMAND_COUNT };

/* ---- requests from gateways over the channel ---- */

static void reply(struct channel_link *l, uint64_t id, Xfed__Status status, json_t *j, const char *words)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Reply m = XFED__REPLY__INIT;
	char *dump = j ? json_dumps(j, JSON_COMPACT) : NULL;
	m.id = id;
	m.status = status;
	m.text = (char *)(uintptr_t)words;
	if (dump && strlen(dump) <= PROTO_JSON_BYTES) {
		m.json.data = (uint8_t *)dump;
		m.json.len = strlen(dump);
	} else if (j) {
		m.status = XFED__STATUS__STATUS_FAILED;
		m.text = (char *)(dump ? "the answer is too large for one frame" : "out of memory");
	}
	f.body_case = XFED__FRAME__BODY_REPLY;
	f.reply = &m;
	channel_send(l, &f); /* where the link has no room for the answer, the gateway's request times out */
	free(dump);
	json_decref(j);
}

static struct xfed_span argument(const Xfed__Request *r, const char *name)
{
	for (size_t i = 0; i < r->n_args; i++) {
		if (strcmp(r->args[i]->name, name) == 0) {
			return xfed_span_str(r->args[i]->value);
		}
	}
	return (struct xfed_span){ NULL, 0 };
}

/* Answers with `j`, or where it is NULL with REFUSED and `words`. */
static void reply_found(struct channel_link *l, uint64_t id, json_t *j, const char *words)
{
	reply(l, id, j ? XFED__STATUS__STATUS_OK : XFED__STATUS__STATUS_REFUSED, j, j ? "" : words);
}

static void take_status(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply(l, r->id, XFED__STATUS__STATUS_OK, admin_status(a), "");
}

static void take_stream_list(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply(l, r->id, XFED__STATUS__STATUS_OK, admin_streams(a, argument(r, "domain")), "");
}

static void take_stream_show(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply_found(l, r->id, admin_stream_show(a, argument(r, "id")), "there is no such stream");
}

static void take_stream_close(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply_found(l, r->id, admin_stream_close(a, argument(r, "id")), "there is no such stream");
}

#define CERTIFICATES_MAX 300 /* so many fit into a frame, whatever they are called */

static void take_certificates(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	a->gauges(a->user); /* ours are noted there */
	json_t *all = rt_daemon_watched(&a->core->d), *soonest = rt_certs_soonest(all, CERTIFICATES_MAX);
	json_int_t count = (json_int_t)json_array_size(all);
	reply_found(l, r->id,
		json_pack("{s:o, s:I}", "certificates", soonest, "more", count > CERTIFICATES_MAX ? count - CERTIFICATES_MAX : (json_int_t)0),
		"out of memory");
	json_decref(all);
}

static void take_counters(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	a->gauges(a->user);
	channel_send_counters(l);
	reply(l, r->id, XFED__STATUS__STATUS_OK, NULL, "");
}

static void take_pair(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply_found(l, r->id, admin_pair(a, argument(r, "local"), argument(r, "remote")), "out of memory");
}

static void take_retry(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply_found(l, r->id, admin_retry(a, argument(r, "local"), argument(r, "remote")), "out of memory");
}

static void take_check(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	switch (check_new(a, l, r->id, argument(r, "local"), argument(r, "remote"))) {
	case XFED_OK:
		break;
	case XFED_ERR_NOT_FOUND:
		reply(l, r->id, XFED__STATUS__STATUS_REFUSED, NULL, "the policy at this edge does not have the pair");
		break;
	case XFED_ERR_LIMIT:
		reply(l, r->id, XFED__STATUS__STATUS_REFUSED, NULL, "too many checks are under way at this edge");
		break;
	default:
		reply(l, r->id, XFED__STATUS__STATUS_FAILED, NULL, "out of memory");
		break;
	}
}

static void take_dns_facts(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	reply_found(l, r->id, dns_facts(a), "out of memory");
}

static void take_dns_ask(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	struct dns_asked asked = { argument(r, "name"), argument(r, "type"), argument(r, "server") };
	int rc = dns_ask(a, l, r->id, &asked);
	if (rc != XFED_OK) {
		reply(l, r->id, XFED__STATUS__STATUS_REFUSED, NULL,
			rc == XFED_ERR_INVALID ? "no name, type or server that can be asked"
			: rc == XFED_ERR_LIMIT ? "too many questions are under way at this edge"
					       : "out of memory");
	}
}

void admin_answer(struct channel_link *l, uint64_t request, json_t *result)
{
	reply_found(l, request, result, "out of memory");
}

static const struct {
	const char *verb;
	bool changes; /* logged like the same command on the control socket */
	void (*take)(struct admin *a, struct channel_link *l, const Xfed__Request *r);
} verbs[] = {
	{ "status", false, take_status },
	{ "stream.list", false, take_stream_list },
	{ "stream.show", false, take_stream_show },
	{ "stream.close", true, take_stream_close },
	{ "certificates", false, take_certificates },
	{ "counters", false, take_counters },
	{ "pair.show", false, take_pair },
	{ "retry", true, take_retry },
	{ "partner.check", true, take_check },
	{ "dns.facts", false, take_dns_facts },
	{ "dns.ask", false, take_dns_ask },
};

static void audit(const struct channel_link *l, const Xfed__Request *r)
{
	rt_log(RT_LOG_INFO, "audit.request", RT_KV_STR("peer", channel_link_peer(l)), RT_KV_STR("verb", r->verb), RT_KV("id", argument(r, "id")),
		RT_KV("partner", argument(r, "remote")), RT_KV("local", argument(r, "local")), RT_END);
}

void admin_request(struct admin *a, struct channel_link *l, const Xfed__Request *r)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(verbs); i++) {
		if (strcmp(r->verb, verbs[i].verb) == 0) {
			if (verbs[i].changes) {
				audit(l, r);
			}
			verbs[i].take(a, l, r);
			return;
		}
	}
	reply(l, r->id, XFED__STATUS__STATUS_UNKNOWN_VERB, NULL, "this edge does not know the verb");
}
