/* Reports to gateways about streams (opened, closed, all that are live) and about failures. */
#include "relay/relay_impl.h"

#include "proto/check.h"
#include "proto/fill.h"

/* ---- streams ---- */

struct event {
	Xfed__StreamEvent m;
	struct proto_fill_certificate cert;
	Xfed__Pair pair, *pairs[1];
	char local[XFED_JID_PART_BYTES + 1], remote[XFED_JID_PART_BYTES + 1];
	char text[256]; /* text from the peer, cut and cleaned for the channel */
};

static void fill_event(const struct relay *r, const struct s2s_stream *st, Xfed__StreamChange change, struct event *ev)
{
	const struct xfed_s2s_info *info = &st->info;
	xfed__stream_event__init(&ev->m);
	xfed__pair__init(&ev->pair);
	snprintf(ev->local, sizeof(ev->local), "%.*s", (int)info->local.len, info->local.data ? info->local.data : "");
	snprintf(ev->remote, sizeof(ev->remote), "%.*s", (int)info->remote.len, info->remote.data ? info->remote.data : "");
	ev->pair.local = ev->local;
	ev->pair.remote = ev->remote;
	ev->pair.method = (char *)(info->is_authenticated ? xfed_method_name(info->method) : "");
	ev->pairs[0] = &ev->pair;
	ev->m.change = change;
	ev->m.stream = st->id;
	ev->m.direction = st->direction == XFED_S2S_IN ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT;
	ev->m.pairs = ev->pairs;
	ev->m.n_pairs = 1;
	ev->m.address = (char *)st->address;
	ev->m.stanzas_in = st->stanzas_in;
	ev->m.stanzas_out = st->stanzas_out;
	ev->m.opened_s = core_wall_s(r->core) - (int64_t)((core_now(r->core) - info->opened_ms) / 1000);
	if (info->is_secure) {
		ev->m.tls_version = (char *)(info->tls.version ? info->tls.version : "");
		ev->m.cipher = (char *)(info->tls.cipher ? info->tls.cipher : "");
		if (info->tls.peer) {
			proto_fill_certificate(&ev->cert, xfed_cert_facts(info->tls.peer));
			ev->m.certificate = &ev->cert.m;
		}
	}
}

static void send_event(struct relay *r, Xfed__StreamEvent *m)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
	f.stream_event = m;
	channel_send_all(r->channel, &f);
}

void relay_opened(struct relay *r, const struct s2s_stream *st)
{
	struct event ev;
	fill_event(r, st, XFED__STREAM_CHANGE__STREAM_OPENED, &ev);
	send_event(r, &ev.m);
}

void relay_closed(struct relay *r, const struct s2s_stream *st, enum xfed_reason reason, enum xfed_side side, const char *text)
{
	struct event ev;
	fill_event(r, st, XFED__STREAM_CHANGE__STREAM_CLOSED, &ev);
	ev.m.reason = (char *)xfed_reason_code(reason);
	ev.m.side = (char *)xfed_side_name(side);
	ev.m.text = (char *)proto_text_clean(ev.text, sizeof(ev.text), text);
	send_event(r, &ev.m);
}

struct snapshot {
	const struct relay *relay;
	struct channel_link *link;
};

static void snapshot_one(void *user, const struct s2s_stream *st)
{
	const struct snapshot *to = user;
	struct event ev;
	Xfed__Frame f = XFED__FRAME__INIT;
	if (st->is_established) {
		fill_event(to->relay, st, XFED__STREAM_CHANGE__STREAM_OPENED, &ev);
		ev.m.snapshot = true;
		f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
		f.stream_event = &ev.m;
		channel_send(to->link, &f);
	}
}

void relay_snapshot(struct relay *r, struct channel_link *l)
{
	struct snapshot to = { r, l };
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__StreamEvent end = XFED__STREAM_EVENT__INIT;
	s2s_each(r->s2s, snapshot_one, &to);
	end.change = XFED__STREAM_CHANGE__STREAM_SNAPSHOT_END;
	end.snapshot = true;
	f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
	f.stream_event = &end;
	channel_send(l, &f);
}

/* ---- failures ---- */

static void send_failure(struct relay *r, const struct proto_failure *m, uint32_t repeated)
{
	static struct proto_fill_failure out; /* static because it is large; the loop is the only thread that calls this */
	proto_fill_failure(&out, m);
	out.m.repeated_count = repeated;
	channel_send_all(r->channel, &out.frame);
}

/* Strangers' failures are folded by network, and by the claimed name where policy lists it. False: this one is only counted. */
static bool may_tell(struct relay *r, const struct proto_failure *m)
{
	char network[RT_SOURCE_TEXT] = "";
	struct rt_addr a;
	if (m->address && rt_addr_parse(&a, xfed_span_str(m->address), 0) == XFED_OK) {
		rt_source_text(&a, RT_SOURCE_NETWORK, network);
	}
	const struct xfed_policy *policy = s2s_policy(r->s2s);
	const struct xfed_partner *p = policy ? xfed_policy_partner(policy, xfed_span_str(m->remote)) : NULL;
	return proto_fold_take(r->strangers, xfed_span_str(network), xfed_span_str(p ? p->domain : ""), m, core_now(r->core));
}

void relay_failed(struct relay *r, const struct proto_failure *f, bool is_stranger)
{
	if (!is_stranger || may_tell(r, f)) {
		send_failure(r, f, 0);
	}
}

void relay_events_tick(struct relay *r, uint64_t now_ms)
{
	struct proto_failure m;
	uint32_t repeated;
	/* What is left goes with the next tick: a link has room for so many at once. */
	for (size_t n = 0; n < XFED_FOLD_ALL && proto_fold_next(r->strangers, now_ms, &m, &repeated); n++) {
		send_failure(r, &m, repeated);
	}
}
