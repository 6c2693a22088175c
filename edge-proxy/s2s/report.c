#include "s2s/s2s_impl.h"

static struct xfed_span direction_word(enum xfed_s2s_direction d)
{
	return d == XFED_S2S_IN ? XFED_SPAN("in") : XFED_SPAN("out");
}

/* ---- opened, closed, failed ---- */

static void log_names(char *out, size_t size, const struct xfed_cert *cert)
{
	const struct xfed_cert_facts *f = xfed_cert_facts(cert);
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < f->name_count && len < size; i++) {
		int n = snprintf(out + len, size - len, "%s%s", i ? "," : "", f->names[i]);
		len += n > 0 ? (size_t)n : 0;
	}
}

static const char *eku_words(unsigned eku)
{
	bool server = eku & (XFED_EKU_SERVER | XFED_EKU_ANY), client = eku & (XFED_EKU_CLIENT | XFED_EKU_ANY);
	return eku == 0 ? "none" : server && client ? "server+client" : server ? "server" : client ? "client" : "other";
}

void s2s_report_established(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	struct s2s *s = c->s2s;
	struct xfed_s2s_info info;
	xfed_s2s_info(c->d.machine, &info);
	struct xfed_span method = xfed_span_str(xfed_method_name(act->method));
	rt_metric_add(s->core->d.metrics, RT_M_S2S_AUTH, 1,
		RT_LABELS(xfed_span_str(s2s_partner_label(s, act->from)), direction_word(c->direction), method, XFED_SPAN("ok")));
	char names[512] = "";
	const struct xfed_cert_facts *facts = NULL;
	if (info.tls.peer) {
		facts = xfed_cert_facts(info.tls.peer);
		log_names(names, sizeof(names), info.tls.peer);
		const struct xfed_partner *p = s2s_partner(s, info.remote);
		if (p) {
			rt_certs_seen(s->core->d.certs, RT_CERT_PARTNER, xfed_span_str(p->domain), info.tls.peer, core_wall_s(s->core));
		}
	}
	if (info.is_secure) {
		rt_metric_add(s->core->d.metrics, RT_M_TLS, 1, RT_LABELS(xfed_span_str(info.tls.version), xfed_span_str(info.tls.cipher)));
	}
	rt_log(RT_LOG_INFO, "s2s.authenticated", RT_KV("partner", act->from), RT_KV("local", act->to),
		RT_KV("direction", direction_word(c->direction)), RT_KV("method", method), RT_KV_STR("tls", info.is_secure ? info.tls.version : NULL),
		RT_KV_STR("cipher", info.is_secure ? info.tls.cipher : NULL), RT_KV_STR("certificate", facts ? facts->sha256_hex : NULL),
		RT_KV_STR("certificate_names", names[0] ? names : NULL), RT_KV_STR("certificate_eku", facts ? eku_words(facts->eku) : NULL),
		RT_KV_STR("address", c->address), RT_KV_U64("conn", c->id), RT_END);
	struct s2s_stream st;
	s2s_stream_facts(c, &st);
	s->user->opened(s->user_data, &st);
}

static bool is_clean_reason(enum xfed_reason r)
{
	return r == XFED_REASON_STREAM_CLOSED_OPERATOR || r == XFED_REASON_STREAM_CLOSED_IDLE || r == XFED_REASON_STREAM_CLOSED_DRAIN ||
	       r == XFED_REASON_STREAM_CLOSED_PEER;
}

/* Also clean: a stream that was opened to ask us as authoritative server, and dropped when it had its answer. */
static bool is_clean(const struct s2s_conn *c, enum xfed_reason r)
{
	return is_clean_reason(r) || (r == XFED_REASON_NET_STREAM_LOST && c->has_served && !c->is_established);
}

/* Reports an incoming attempt that failed, as (remote, local). A stream of ours is reported when its whole attempt has failed. */
static void tell_failure(
	const struct s2s_conn *c, const struct xfed_s2s_action *act, struct xfed_span remote, struct xfed_span local, struct s2s_steps **steps)
{
	struct xfed_s2s_info info;
	char local_text[XFED_JID_PART_BYTES + 1], remote_text[XFED_JID_PART_BYTES + 1];
	xfed_s2s_info(c->d.machine, &info);
	snprintf(local_text, sizeof(local_text), "%.*s", (int)local.len, local.data ? local.data : "");
	snprintf(remote_text, sizeof(remote_text), "%.*s", (int)remote.len, remote.data ? remote.data : "");
	s2s_steps_of_stream(steps, core_now(c->s2s->core), &info, act->reason, act->text);
	struct proto_failure f = { .direction = XFED__DIRECTION__DIRECTION_IN,
		.local = local_text,
		.remote = remote_text,
		.reason = act->reason,
		.side = act->side,
		.text = act->text,
		.address = c->address,
		.cert = info.is_secure && info.tls.peer ? xfed_cert_facts(info.tls.peer) : NULL };
	s2s_failure_send(c->s2s, &f, *steps);
}

static struct xfed_span method_tried(bool is_dialback, bool is_secure)
{
	enum xfed_method dialback = is_secure ? XFED_METHOD_DIALBACK_TLS : XFED_METHOD_DIALBACK_PLAIN;
	return xfed_span_str(xfed_method_name(is_dialback ? dialback : XFED_METHOD_EXTERNAL));
}

static bool is_dialback(enum xfed_reason reason)
{
	return strncmp(xfed_reason_code(reason), "dialback.", strlen("dialback.")) == 0;
}

/* A pair that dialback did not prove, on a stream that goes on; it is reported here, and not again when the stream ends. */
void s2s_report_pair_refused(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	struct s2s *s = c->s2s;
	struct xfed_span none = XFED_SPAN(""), remote = act->from.data ? act->from : none, local = act->to.data ? act->to : none;
	c->has_refused = true;
	core_count_refusal(s->core, act->reason, act->side);
	rt_metric_add(s->core->d.metrics, RT_M_S2S_AUTH, 1,
		RT_LABELS(xfed_span_str(c->is_established ? s2s_partner_label(s, remote) : "unproved"), XFED_SPAN("in"),
			method_tried(true, act->is_secure), xfed_span_str(xfed_reason_code(act->reason))));
	rt_log(RT_LOG_WARNING, "s2s.pair-refused", RT_KV("partner", remote), RT_KV("local", local), RT_KV_STR("direction", "in"),
		RT_KV_REASON_SIDE(act->reason, act->side), RT_KV_STR("text", act->text), RT_KV_STR("address", c->address), RT_KV_U64("conn", c->id),
		RT_END);
	struct s2s_steps *steps = NULL;
	s2s_steps_add(&steps, core_now(s->core), "tcp", true, "from %s", c->address);
	tell_failure(c, act, remote, local, &steps);
	s2s_steps_free(&steps);
}

void s2s_report_closed(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	struct s2s *s = c->s2s;
	struct xfed_s2s_info info;
	xfed_s2s_info(c->d.machine, &info);
	/* As long as the name is not authenticated the partner is not to blame. */
	bool is_proved = c->direction == XFED_S2S_OUT || c->is_established;
	struct xfed_span label = xfed_span_str(is_proved ? s2s_partner_label(s, info.remote) : "unproved");
	struct xfed_span code = xfed_span_str(xfed_reason_code(act->reason));
	rt_metric_add(s->core->d.metrics, RT_M_S2S_CLOSED, 1, RT_LABELS(label, direction_word(c->direction), code));
	if (!is_clean(c, act->reason)) {
		core_count_refusal(s->core, act->reason, act->side);
	}
	bool has_failed = !c->is_established && !c->has_refused && !is_clean(c, act->reason);
	if (has_failed) {
		rt_metric_add(s->core->d.metrics, RT_M_S2S_AUTH, 1,
			RT_LABELS(label, direction_word(c->direction), method_tried(is_dialback(act->reason), info.is_secure), code));
	}
	char names[512] = "";
	if (info.tls.peer && !is_clean(c, act->reason)) {
		log_names(names, sizeof(names), info.tls.peer);
	}
	rt_log(is_clean(c, act->reason) ? RT_LOG_INFO : RT_LOG_WARNING, "s2s.closed", RT_KV("partner", info.remote), RT_KV("local", info.local),
		RT_KV("direction", direction_word(c->direction)), RT_KV_REASON_SIDE(act->reason, act->side),
		RT_KV_STR("text", act->text[0] ? act->text : NULL), RT_KV_BOOL("authenticated", info.is_authenticated),
		RT_KV_STR("certificate_names", names[0] ? names : NULL), RT_KV_STR("address", c->address), RT_KV_U64("stanzas_in", c->stanzas_in),
		RT_KV_U64("stanzas_out", c->stanzas_out), RT_KV_U64("conn", c->id), RT_END);
	if (c->is_established) {
		struct s2s_stream st;
		s2s_stream_facts(c, &st);
		s->user->closed(s->user_data, &st, act->reason, act->side, act->text);
	} else if (has_failed && info.remote.len > 0 && c->direction == XFED_S2S_IN) {
		tell_failure(c, act, info.remote, info.local, &c->steps);
	}
}

void s2s_stream_facts(const struct s2s_conn *c, struct s2s_stream *out)
{
	*out = (struct s2s_stream){ .id = c->id,
		.direction = c->direction,
		.address = c->address,
		.is_established = c->is_established,
		.is_paused = c->d.is_paused,
		.stanzas_in = c->stanzas_in,
		.stanzas_out = c->stanzas_out,
		.queued = c->pair ? c->pair->way.queue.count : 0 };
	if (c->d.machine) {
		xfed_s2s_info(c->d.machine, &out->info);
		return;
	}
	out->is_connecting = true;
	out->info = (struct xfed_s2s_info){ .direction = c->direction, .state_name = "connecting" };
	out->info.opened_ms = out->info.last_traffic_ms = core_now(c->s2s->core);
	if (c->pair) {
		out->info.local = xfed_span_str(c->pair->local);
		out->info.remote = xfed_span_str(c->pair->remote);
	}
}

/* ---- gauges and counters ---- */

void s2s_gauges(struct s2s *s)
{
	size_t ready[2] = { 0, 0 }, opening[2] = { 0, 0 };
	for (const struct s2s_conn *c = s->conns; c; c = c->hh.next) {
		if (!c->d.is_closed) {
			(c->is_established ? ready : opening)[c->direction == XFED_S2S_OUT]++;
		}
	}
	for (int i = 0; i < 2; i++) {
		struct xfed_span d = i ? XFED_SPAN("out") : XFED_SPAN("in");
		rt_metric_set(s->core->d.metrics, RT_M_S2S_STREAMS, (double)ready[i], RT_LABELS(d, XFED_SPAN("ready")));
		rt_metric_set(s->core->d.metrics, RT_M_S2S_STREAMS, (double)opening[i], RT_LABELS(d, XFED_SPAN("opening")));
	}
}
