/*
 * Certificates of live streams and links are judged again when trust, revocation lists or channel.allow were reloaded, when one
 * expires, and from time to time. What leaned on one that is not good any more is closed with the certificate's reason.
 */
#include "edge.h"

static void due(struct edge *e, int64_t when_s)
{
	e->certs_due_s = when_s < e->certs_due_s ? when_s : e->certs_due_s;
}

/* At first also because trust may have been reloaded since its handshake began. */
bool edge_certs_hold(struct edge_conn *c)
{
	struct edge *e = c->edge;
	int64_t due_s;
	if (c->is_closed || !c->s2s) {
		return false;
	}
	enum xfed_reason reason = xfed_s2s_judge_again(c->s2s, e->creds, edge_wall_s(e), &due_s);
	due(e, due_s);
	if (reason != XFED_REASON_NONE) {
		edge_conn_close(c, reason, "the certificate was judged again");
	}
	return reason == XFED_REASON_NONE;
}

const char *edge_certs_link_problem(struct edge_link *l)
{
	struct edge *e = l->edge;
	int64_t due_s;
	const char *problem = proto_session_judge_again(l->session, e->channel_creds, (const char *const *)e->config->channel.allow.items,
		e->config->channel.allow.count, edge_wall_s(e), &due_s);
	due(e, due_s);
	return problem;
}

static void judge_link(struct edge_link *l)
{
	const char *problem = l->is_up && !l->is_closed ? edge_certs_link_problem(l) : NULL;
	if (problem) {
		struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_PEER_UNTRUSTED, .text = problem };
		proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
		edge_flush_soon(l->edge);
	}
}

void edge_certs_judge(struct edge *e)
{
	struct edge_conn *c, *next;
	e->certs_due_s = INT64_MAX;
	HASH_ITER(hh, e->conns, c, next) {
		edge_certs_hold(c);
	}
	for (struct edge_link *l = e->links; l; l = l->next) {
		judge_link(l);
	}
}

void edge_certs_tick(struct edge *e)
{
	if (edge_wall_s(e) >= e->certs_due_s) {
		edge_certs_judge(e);
	}
}
