/* What there is now, for operators. */
#include "trunk/sip_conn.h"

static void fill(const struct sip_conn *c, struct trunk_conn_facts *out)
{
	bool is_target = c->info.peer_ip[0] == '\0'; /* being opened by us */
	*out = (struct trunk_conn_facts){
		.id = c->id,
		.transport = c->transport,
		.ip = is_target ? c->target.ip : c->info.peer_ip,
		.port = is_target ? c->target.port : c->info.peer_port,
		.is_ours = c->is_client,
		.is_open = c->is_open,
		.is_outside = c->is_outside,
		.may_send = c->info.is_known,
		.idle_ms = trunk_now(c->trunk) - c->used_ms,
		.cert = c->is_open && c->facts.peer ? xfed_cert_facts(c->facts.peer) : NULL,
	};
}

bool trunk_conn_next(const struct trunk *t, uint64_t after, struct trunk_conn_facts *out)
{
	const struct sip_conn *c = after != 0 ? sip_conn_find(t->io, after) : NULL; /* the table keeps the order in which they came */
	c = c ? c->hh.next : t->io->conns;
	while (c && (c->id <= after || c->is_dying)) {
		c = c->hh.next;
	}
	if (c) {
		fill(c, out);
	}
	return c != NULL;
}

bool trunk_trans_next(const struct trunk *t, uint64_t after, struct sip_trans_facts *out)
{
	return sip_trans_next(t->layer, after, out);
}

struct trunk_load trunk_load(const struct trunk *t)
{
	struct sip_layer_stats s = sip_layer_stats(t->layer);
	return (struct trunk_load){ .connections = t->io->conn_count, .transactions = s.clients + s.servers };
}
