/* Certificates of live links, judged again as those of streams are; also when channel.allow has changed. */
#include "edge.h"

/* At first also because trust may have been reloaded since the link's handshake began. */
const char *edge_link_problem(struct edge_link *l)
{
	struct edge *e = l->edge;
	int64_t due_s;
	const char *problem = proto_session_judge_again(l->session, e->channel_creds, (const char *const *)e->config->channel.allow.items,
		e->config->channel.allow.count, edge_wall_s(e), &due_s);
	e->certs_due_s = due_s < e->certs_due_s ? due_s : e->certs_due_s;
	return problem;
}

static void judge_link(struct edge_link *l)
{
	const char *problem = l->is_up && !l->is_closed ? edge_link_problem(l) : NULL;
	if (problem) {
		struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_PEER_UNTRUSTED, .text = problem };
		proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
		edge_flush_soon(l->edge);
	}
}

void edge_links_judge(struct edge *e)
{
	e->certs_due_s = INT64_MAX;
	for (struct edge_link *l = e->links; l; l = l->next) {
		judge_link(l);
	}
}

void edge_links_tick(struct edge *e)
{
	if (edge_wall_s(e) >= e->certs_due_s) {
		edge_links_judge(e);
	}
}
