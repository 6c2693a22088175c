#include "relay/relay_impl.h"

#include "xfed/mem.h"

int relay_new(struct core *core, const struct edge_config *config, struct s2s *s2s, struct channel *channel, struct relay **out)
{
	struct relay *r = xfed_calloc(1, sizeof(*r));
	*out = r;
	if (!r) {
		return XFED_ERR_NOMEM;
	}
	r->core = core;
	r->config = config;
	r->s2s = s2s;
	r->channel = channel;
	xfed_buf_init(&r->scratch, XFED_FRAME_BYTES_MAX);
	int rc = proto_fold_new(&r->strangers);
	return rc == XFED_OK ? proto_sipmemory_new(0, &r->sips) : rc;
}

void relay_stop(struct relay *r)
{
	if (r) {
		HASH_CLEAR(hh, r->items); /* the streams own the items, and nobody is told */
	}
}

void relay_free(struct relay *r)
{
	if (!r) {
		return;
	}
	proto_fold_free(r->strangers);
	proto_sipmemory_free(r->sips);
	xfed_xml_reader_free(r->fragments);
	xfed_buf_deinit(&r->scratch);
	xfed_free(r);
}

void relay_configure(struct relay *r, const struct edge_config *config)
{
	r->config = config;
}

void relay_tick(struct relay *r, uint64_t now_ms)
{
	proto_sipmemory_tick(r->sips, now_ms);
	relay_events_tick(r, now_ms);
}
