#include "edge.h"

static struct xfed_span direction_word(enum xfed_s2s_direction d)
{
	return d == XFED_S2S_IN ? XFED_SPAN("in") : XFED_SPAN("out");
}

/* ---- stream events for the gateways ---- */

struct event {
	Xfed__StreamEvent m;
	struct proto_fill_certificate cert;
	Xfed__Pair pair, *pairs[1];
	char local[XFED_JID_PART_BYTES + 1], remote[XFED_JID_PART_BYTES + 1];
	char text[256]; /* words of others, made fit for the wire */
};

static void fill_event(const struct edge_conn *c, Xfed__StreamChange change, struct event *ev)
{
	struct xfed_s2s_info info;
	xfed_s2s_info(c->s2s, &info);
	xfed__stream_event__init(&ev->m);
	xfed__pair__init(&ev->pair);
	snprintf(ev->local, sizeof(ev->local), "%.*s", (int)info.local.len, info.local.data ? info.local.data : "");
	snprintf(ev->remote, sizeof(ev->remote), "%.*s", (int)info.remote.len, info.remote.data ? info.remote.data : "");
	ev->pair.local = ev->local;
	ev->pair.remote = ev->remote;
	ev->pair.method = (char *)(info.is_authenticated ? xfed_method_name(info.method) : "");
	ev->pairs[0] = &ev->pair;
	ev->m.change = change;
	ev->m.stream = c->id;
	ev->m.direction = c->direction == XFED_S2S_IN ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT;
	ev->m.pairs = ev->pairs;
	ev->m.n_pairs = 1;
	ev->m.address = (char *)c->address;
	ev->m.stanzas_in = c->stanzas_in;
	ev->m.stanzas_out = c->stanzas_out;
	ev->m.opened_s = edge_wall_s(c->edge) - (int64_t)((rt_loop_now_ms(c->edge->core.d.loop) - info.opened_ms) / 1000);
	if (info.is_secure) {
		ev->m.tls_version = (char *)(info.tls.version ? info.tls.version : "");
		ev->m.cipher = (char *)(info.tls.cipher ? info.tls.cipher : "");
		if (info.tls.peer) {
			proto_fill_certificate(&ev->cert, xfed_cert_facts(info.tls.peer));
			ev->m.certificate = &ev->cert.m;
		}
	}
}

static void send_event(struct edge *e, Xfed__StreamEvent *m)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
	f.stream_event = m;
	edge_links_send(e, &f);
}

void edge_report_snapshot(struct edge_link *l)
{
	struct edge *e = l->edge;
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
	for (struct edge_conn *c = e->conns; c; c = c->hh.next) {
		struct event ev;
		if (c->is_closed || !c->is_established) {
			continue;
		}
		fill_event(c, XFED__STREAM_CHANGE__STREAM_OPENED, &ev);
		ev.m.snapshot = true;
		f.stream_event = &ev.m;
		edge_link_send(l, &f);
	}
	Xfed__StreamEvent end = XFED__STREAM_EVENT__INIT;
	end.change = XFED__STREAM_CHANGE__STREAM_SNAPSHOT_END;
	end.snapshot = true;
	f.stream_event = &end;
	edge_link_send(l, &f);
}

/* ---- life events of streams ---- */

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

void edge_report_established(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	struct edge *e = c->edge;
	struct xfed_s2s_info info;
	xfed_s2s_info(c->s2s, &info);
	struct xfed_span method = xfed_span_str(xfed_method_name(act->method));
	rt_metric_add(e->core.d.metrics, RT_M_S2S_AUTH, 1,
		RT_LABELS(xfed_span_str(edge_partner_label(e, act->from)), direction_word(c->direction), method, XFED_SPAN("ok")));
	char names[512] = "";
	const struct xfed_cert_facts *facts = NULL;
	if (info.tls.peer) {
		facts = xfed_cert_facts(info.tls.peer);
		log_names(names, sizeof(names), info.tls.peer);
		rt_metric_set(e->core.d.metrics, RT_M_CERTIFICATE_NOT_AFTER, (double)facts->not_after_s,
			RT_LABELS(xfed_span_str(edge_partner_label(e, info.remote)), XFED_SPAN("partner")));
	}
	if (info.is_secure) {
		rt_metric_add(e->core.d.metrics, RT_M_TLS, 1, RT_LABELS(xfed_span_str(info.tls.version), xfed_span_str(info.tls.cipher)));
	}
	rt_log(RT_LOG_INFO, "s2s.authenticated", RT_KV("partner", act->from), RT_KV("local", act->to),
		RT_KV("direction", direction_word(c->direction)), RT_KV("method", method), RT_KV_STR("tls", info.is_secure ? info.tls.version : NULL),
		RT_KV_STR("cipher", info.is_secure ? info.tls.cipher : NULL), RT_KV_STR("certificate", facts ? facts->sha256_hex : NULL),
		RT_KV_STR("certificate_names", names[0] ? names : NULL), RT_KV_STR("certificate_eku", facts ? eku_words(facts->eku) : NULL),
		RT_KV_STR("address", c->address), RT_KV_U64("conn", c->id), RT_END);
	struct event ev;
	fill_event(c, XFED__STREAM_CHANGE__STREAM_OPENED, &ev);
	send_event(e, &ev.m);
}

static bool is_clean_reason(enum xfed_reason r)
{
	return r == XFED_REASON_STREAM_CLOSED_OPERATOR || r == XFED_REASON_STREAM_CLOSED_IDLE || r == XFED_REASON_STREAM_CLOSED_DRAIN ||
	       r == XFED_REASON_STREAM_CLOSED_PEER;
}

/* Also a stream that was opened to ask us as authoritative server, and dropped when it had its answer. */
static bool is_clean(const struct edge_conn *c, enum xfed_reason r)
{
	return is_clean_reason(r) || (r == XFED_REASON_NET_STREAM_LOST && c->has_served && !c->is_established);
}

/* A stream that came in and was never authenticated. What we opened is told when the whole attempt has failed. */
static void inbound_failed(struct edge_conn *c, const struct event *ev, const struct xfed_s2s_info *info, const struct xfed_s2s_action *act)
{
	uint64_t now = rt_loop_now_ms(c->edge->core.d.loop);
	edge_steps_of_stream(&c->steps, now, info, act->reason, act->text);
	struct edge_failure f = { .direction = XFED_S2S_IN,
		.local = ev->local,
		.remote = ev->remote,
		.reason = act->reason,
		.side = act->side,
		.text = act->text,
		.address = c->address,
		.steps = c->steps,
		.cert = info->is_secure ? info->tls.peer : NULL };
	edge_failure_send(c->edge, &f);
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

static void record_pair_refused(struct edge_conn *c, const struct xfed_s2s_action *act, struct xfed_span remote, struct xfed_span local)
{
	struct xfed_s2s_info info;
	struct edge_steps *steps = NULL;
	char local_text[XFED_JID_PART_BYTES + 1], remote_text[XFED_JID_PART_BYTES + 1];
	xfed_s2s_info(c->s2s, &info);
	snprintf(local_text, sizeof(local_text), "%.*s", (int)local.len, local.data ? local.data : "");
	snprintf(remote_text, sizeof(remote_text), "%.*s", (int)remote.len, remote.data ? remote.data : "");
	edge_steps_add(&steps, rt_loop_now_ms(c->edge->core.d.loop), "tcp", true, "from %s", c->address);
	edge_steps_of_stream(&steps, rt_loop_now_ms(c->edge->core.d.loop), &info, act->reason, act->text);
	struct edge_failure f = { .direction = XFED_S2S_IN,
		.local = local_text,
		.remote = remote_text,
		.reason = act->reason,
		.side = act->side,
		.text = act->text,
		.address = c->address,
		.steps = steps,
		.cert = info.is_secure ? info.tls.peer : NULL };
	edge_failure_send(c->edge, &f);
	edge_steps_free(&steps);
}

/* A pair that dialback did not prove, on a stream that goes on: told here, and not again when the stream ends. */
void edge_report_pair_refused(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	struct edge *e = c->edge;
	struct xfed_span none = XFED_SPAN(""), remote = act->from.data ? act->from : none, local = act->to.data ? act->to : none;
	c->has_refused = true;
	core_count_refusal(&e->core, act->reason, act->side);
	rt_metric_add(e->core.d.metrics, RT_M_S2S_AUTH, 1,
		RT_LABELS(xfed_span_str(c->is_established ? edge_partner_label(e, remote) : "unproved"), XFED_SPAN("in"),
			method_tried(true, act->is_secure), xfed_span_str(xfed_reason_code(act->reason))));
	rt_log(RT_LOG_WARNING, "s2s.pair-refused", RT_KV("partner", remote), RT_KV("local", local), RT_KV_STR("direction", "in"),
		RT_KV_REASON_SIDE(act->reason, act->side), RT_KV_STR("text", act->text), RT_KV_STR("address", c->address), RT_KV_U64("conn", c->id),
		RT_END);
	record_pair_refused(c, act, remote, local);
}

void edge_report_closed(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	struct edge *e = c->edge;
	struct xfed_s2s_info info;
	xfed_s2s_info(c->s2s, &info);
	/* A name that nobody has proved is no partner's doing. */
	bool is_proved = c->direction == XFED_S2S_OUT || c->is_established;
	struct xfed_span label = xfed_span_str(is_proved ? edge_partner_label(e, info.remote) : "unproved");
	struct xfed_span code = xfed_span_str(xfed_reason_code(act->reason));
	rt_metric_add(e->core.d.metrics, RT_M_S2S_CLOSED, 1, RT_LABELS(label, direction_word(c->direction), code));
	if (!is_clean(c, act->reason)) {
		core_count_refusal(&e->core, act->reason, act->side);
	}
	bool has_failed = !c->is_established && !c->has_refused && !is_clean(c, act->reason);
	if (has_failed) {
		rt_metric_add(e->core.d.metrics, RT_M_S2S_AUTH, 1,
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
	struct event ev;
	fill_event(c, XFED__STREAM_CHANGE__STREAM_CLOSED, &ev);
	ev.m.reason = (char *)code.data;
	ev.m.side = (char *)xfed_side_name(act->side);
	ev.m.text = (char *)proto_text_clean(ev.text, sizeof(ev.text), act->text);
	if (c->is_established) {
		send_event(e, &ev.m);
	} else if (has_failed && info.remote.len > 0 && c->direction == XFED_S2S_IN) {
		inbound_failed(c, &ev, &info, act);
	}
}

/* ---- gauges and counters ---- */

void edge_report_gauges(struct edge *e)
{
	size_t ready[2] = { 0, 0 }, opening[2] = { 0, 0 };
	for (const struct edge_conn *c = e->conns; c; c = c->hh.next) {
		if (!c->is_closed) {
			(c->is_established ? ready : opening)[c->direction == XFED_S2S_OUT]++;
		}
	}
	for (int i = 0; i < 2; i++) {
		struct xfed_span d = i ? XFED_SPAN("out") : XFED_SPAN("in");
		rt_metric_set(e->core.d.metrics, RT_M_S2S_STREAMS, (double)ready[i], RT_LABELS(d, XFED_SPAN("ready")));
		rt_metric_set(e->core.d.metrics, RT_M_S2S_STREAMS, (double)opening[i], RT_LABELS(d, XFED_SPAN("opening")));
	}
	rt_metric_set(e->core.d.metrics, RT_M_DELIVERIES_IN_FLIGHT, (double)(proto_outbox_count(e->outbox) + edge_pairs_waiting(e)), RT_NO_LABELS);
	rt_metric_set(e->core.d.metrics, RT_M_DELIVERIES_UNACCOUNTED, (double)proto_outbox_unaccounted(e->outbox, rt_loop_now_ms(e->core.d.loop)),
		RT_NO_LABELS);
	for (const struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up) {
			rt_metric_set(e->core.d.metrics, RT_M_CHANNEL_RTT, (double)proto_session_rtt_us(l->session) / 1e6,
				RT_LABELS(xfed_span_str(proto_session_peer(l->session)->name)));
		}
	}
	for (size_t i = 0; e->creds && xfed_tls_creds_cert(e->creds, i); i++) {
		const struct xfed_cert_facts *f = xfed_cert_facts(xfed_tls_creds_cert(e->creds, i));
		rt_metric_set(
			e->core.d.metrics, RT_M_CERTIFICATE_NOT_AFTER, (double)f->not_after_s, RT_LABELS(xfed_span_str(f->subject), XFED_SPAN("us")));
	}
}

struct batch {
	struct edge_link *link;
	Xfed__Metric metrics[256], *list[256];
	Xfed__Field labels[256][RT_METRIC_LABELS_MAX + 1], *label_list[256][RT_METRIC_LABELS_MAX + 1];
	struct xfed_arena strings;
	size_t count;
};

static int flush_batch(struct batch *b, bool more)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Counters m = XFED__COUNTERS__INIT;
	m.metrics = b->list;
	m.n_metrics = b->count;
	m.more = more;
	f.body_case = XFED__FRAME__BODY_COUNTERS;
	f.counters = &m;
	int rc = proto_session_send(b->link->session, &f);
	b->count = 0;
	xfed_arena_reset(&b->strings);
	return rc;
}

static int copy_labels(struct batch *b, size_t i, const struct rt_metric_sample *s)
{
	for (size_t n = 0; n < s->label_count; n++) {
		Xfed__Field *f = &b->labels[i][n];
		xfed__field__init(f);
		f->name = (char *)xfed_arena_copy(&b->strings, s->labels[n].name).data;
		f->value = (char *)xfed_arena_copy(&b->strings, s->labels[n].value).data;
		if (!f->name || !f->value) {
			return XFED_ERR_NOMEM;
		}
		b->label_list[i][n] = f;
	}
	b->metrics[i].labels = b->label_list[i];
	b->metrics[i].n_labels = s->label_count;
	return XFED_OK;
}

static int add_sample(void *user, const struct rt_metric_sample *s)
{
	struct batch *b = user;
	if (b->count == XFED_ARRAY_LEN(b->metrics)) {
		int rc = flush_batch(b, true);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	Xfed__Metric *m = &b->metrics[b->count];
	xfed__metric__init(m);
	m->name = (char *)xfed_arena_copy(&b->strings, s->name).data;
	m->value = s->value;
	if (!m->name || copy_labels(b, b->count, s) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	b->list[b->count++] = m;
	return XFED_OK;
}

/* All our series to one gateway. When the link has no room the set is left out this time: the next one is complete again. */
void edge_report_counters(struct edge_link *l)
{
	static struct batch b; /* large, and the loop has one thread */
	b.link = l;
	b.count = 0;
	xfed_arena_init(&b.strings, 4 * 1024 * 1024);
	if (rt_metrics_each(l->edge->core.d.metrics, add_sample, &b) == XFED_OK) {
		flush_batch(&b, false);
	}
	xfed_arena_deinit(&b.strings);
}
