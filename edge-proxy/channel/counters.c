/* Sends the metrics of this edge to the gateways that ask for them. */
#include "channel/channel_impl.h"
#include "xfed/arena.h"

struct batch {
	struct channel_link *link;
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
	int rc = proto_link_send(b->link->link, &f);
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

/* Sends all series to one gateway. Where the link has no room the set is left out; the next one is complete again. */
void channel_send_counters(struct channel_link *l)
{
	static struct batch b; /* static because it is large; the loop is the only thread that calls this */
	b.link = l;
	b.count = 0;
	xfed_arena_init(&b.strings, 4 * 1024 * 1024);
	if (rt_metrics_each(l->channel->core->d.metrics, add_sample, &b) == XFED_OK) {
		flush_batch(&b, false);
	}
	xfed_arena_deinit(&b.strings);
}
