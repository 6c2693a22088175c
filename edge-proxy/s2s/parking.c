/* Stanzas of partners that no gateway has been sent yet, counted by the stream they came over. */
#include "s2s/s2s_impl.h"

size_t s2s_parked(const struct s2s_incoming *in)
{
	return in->conn->parked_count;
}

/*
 * Counts a stanza as parked. Above the limit in bytes the stream is not read until the gateways have taken some. Stanzas that stream
 * management counts must not stay unacknowledged for long: above a limit in number reading pauses only as long as gateways keep taking
 * them; then further stanzas are refused for lack of room.
 */
void s2s_park(const struct s2s_incoming *in, size_t bytes, bool gateways_take)
{
	struct s2s_conn *c = in->conn;
	bool is_counted = in->act->sm_number != 0;
	c->parked_bytes += bytes;
	c->parked_count++;
	if (c->parked_bytes > c->s2s->config->limits.park_bytes) {
		c->d.is_paused = true;
	} else if (is_counted && c->parked_count >= XFED_DELIVERY_PARK_SLOW && !c->is_impatient && gateways_take) {
		c->d.is_paused = true;
		c->d.wake_ms = core_now(c->s2s->core) + XFED_DELIVERY_PARK_PATIENCE_MS;
	}
}

static bool may_read_again(const struct s2s_conn *c)
{
	return c->d.is_paused && c->parked_bytes <= c->s2s->config->limits.park_bytes / 2 &&
	       (!c->d.wake_ms || c->parked_count <= XFED_DELIVERY_PARK_SLOW / 2);
}

void s2s_unpark(struct s2s *s, uint64_t stream, size_t bytes)
{
	struct s2s_conn *c = s2s_conn_find(s, stream);
	if (!c) {
		return;
	}
	c->parked_bytes -= bytes < c->parked_bytes ? bytes : c->parked_bytes;
	c->parked_count -= c->parked_count > 0;
	c->is_impatient = false;
	if (c->d.wake_ms) {
		c->d.wake_ms = core_now(s->core) + XFED_DELIVERY_PARK_PATIENCE_MS;
	}
	if (may_read_again(c)) {
		driver_resume(&c->d);
	}
}
