/*
 * Certificates of live links are judged again when what they are trusted by was reloaded, when one expires, and from time to
 * time. Those of SIP connections: trunk.c.
 */
#include "gateway.h"

void gateway_certs_due(struct gateway *g, int64_t when_s)
{
	g->certs_due_s = when_s < g->certs_due_s ? when_s : g->certs_due_s;
}

const char *gateway_certs_link_problem(struct gateway_link *l)
{
	struct gateway *g = l->gw;
	int64_t due_s;
	const char *problem = proto_session_judge_again(gateway_link_session(l), policy_channel_creds(g->policy), NULL, 0, gateway_wall_s(g), &due_s);
	gateway_certs_due(g, due_s);
	return problem;
}

void gateway_certs_judge(struct gateway *g)
{
	g->certs_due_s = INT64_MAX;
	for (size_t i = 0; i < g->link_count; i++) {
		const char *problem = g->links[i].is_up ? gateway_certs_link_problem(&g->links[i]) : NULL;
		if (problem) {
			gateway_link_fail(&g->links[i], XFED_REASON_CHANNEL_PEER_UNTRUSTED, problem);
		}
	}
}

void gateway_certs_tick(struct gateway *g)
{
	if (gateway_wall_s(g) >= g->certs_due_s) {
		gateway_certs_judge(g);
	}
}
