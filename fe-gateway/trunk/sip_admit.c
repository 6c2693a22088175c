/*
 * Which peers may have a SIP connection: each direction has a part of limits.connections reserved, and peers that have not shown that they
 * may send share limits.unauthenticated, by address and by network.
 */
#include "trunk/sip_conn.h"

#include "xfed/rt/reserve.h"

static bool has_room(const struct sip_io *io, size_t of_this_direction)
{
	return rt_reserve_allows(io->trunk->files.config->limits.connections, io->conn_count, of_this_direction);
}

bool sip_admit_dial(const struct sip_io *io)
{
	return has_room(io, io->conn_count - io->incoming);
}

/* The address is in peer_addresses of some domain; whether it may send for a domain is checked per request. */
static bool is_listed(const struct sip_io *io, const struct rt_addr *from)
{
	const struct config *c = io->trunk->files.config;
	return trust_may_send(&c->senders, &(struct trust_peer){ .transport = SIP_TCP, .address = *from }) ||
	       rt_network_set_holds(&c->neighbours.addresses, from);
}

static void report(struct sip_io *io, const struct rt_source_refusal *r)
{
	rt_sources_log(&io->trunk->strangers, r, trunk_now(io->trunk));
	core_count_refusal(io->trunk->core, r->reason, xfed_reason_info(r->reason)->side);
}

bool sip_admit_stranger(struct sip_io *io, struct rt_stream *s)
{
	const struct config *c = io->trunk->files.config;
	/* Strangers never have more than half of all connections, whatever is configured: the listed peers use the same port. */
	size_t half = c->limits.connections / 2, most = c->limits.unauthenticated < half ? c->limits.unauthenticated : half;
	struct rt_source_limits limits = rt_source_slots((uint32_t)(most ? most : 1), c->limits.address_share, c->limits.network_share);
	struct rt_source_refusal r = {
		.event = "sip.refused", .limit = "unauthenticated", .address = rt_stream_peer(s), .reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED
	};
	if (rt_stream_place(s)->sources || is_listed(io, r.address)) {
		return true;
	}
	rt_sources_limit(&io->trunk->strangers, &limits);
	r.verdict = rt_sources_take(&io->trunk->strangers, r.address, rt_stream_place(s));
	if (r.verdict != RT_SOURCE_OK) {
		report(io, &r);
	}
	return r.verdict == RT_SOURCE_OK;
}

bool sip_admit_neighbour(struct sip_io *io, struct rt_stream *s)
{
	const struct rt_addr *from = rt_stream_peer(s);
	bool is_neighbour = rt_network_set_holds(&io->trunk->files.config->neighbours.addresses, from);
	if (!is_neighbour) {
		report(io, &(struct rt_source_refusal){ .event = "sip.refused",
				   .limit = "federation",
				   .address = from,
				   .verdict = RT_SOURCE_ADDRESS,
				   .reason = XFED_REASON_SIP_SENDER_UNTRUSTED });
	}
	return is_neighbour;
}

bool sip_admit_peer(struct sip_io *io, struct rt_stream *s)
{
	if (!has_room(io, io->incoming)) {
		report(io, &(struct rt_source_refusal){ .event = "sip.refused",
				   .limit = "connections",
				   .address = rt_stream_peer(s),
				   .verdict = RT_SOURCE_TOTAL,
				   .reason = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED });
		return false;
	}
	return sip_admit_stranger(io, s);
}
