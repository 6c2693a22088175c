/* Reports of an edge: its metrics, its streams, failed attempts. */
#include "channel/channel_impl.h"
#include "channel/labels.h"
#include "xfed/rt/log.h"
#include "xfed/rt/metrics.h"

static int import(struct edge *e, const Xfed__Metric *m)
{
	struct rt_metric_sample s = { .name = xfed_span_str(m->name), .value = m->value };
	if (m->n_labels > XFED_ARRAY_LEN(s.labels)) {
		return XFED_ERR_INVALID;
	}
	bool is_free = false;
	for (size_t i = 0; i < m->n_labels; i++) {
		s.labels[i].name = xfed_span_str(m->labels[i]->name);
		s.labels[i].value = xfed_span_str(m->labels[i]->value);
		enum labels_verdict v = labels_judge(policy_partners(e->channel->policy), s.labels[i].name, s.labels[i].value);
		if (v == LABELS_BAD) {
			return XFED_ERR_INVALID;
		}
		is_free = is_free || v == LABELS_FREE;
	}
	if (is_free && e->free_labels++ >= XFED_LABELS_FREE) {
		return XFED_ERR_INVALID;
	}
	s.label_count = m->n_labels;
	return rt_metrics_import_add(e->channel->core->d.metrics, xfed_span_str(e->name), &s);
}

/* A set may take several frames, and replaces the previous one when it is complete. Metrics we do not know (the edge is newer) are left out. */
void channel_take_counters(struct edge *e, const Xfed__Counters *m)
{
	struct rt_metrics *metrics = e->channel->core->d.metrics;
	e->free_labels = e->is_importing ? e->free_labels : 0;
	if (!e->is_importing && rt_metrics_import_begin(metrics, xfed_span_str(e->name)) != XFED_OK) {
		return;
	}
	e->is_importing = true;
	for (size_t i = 0; i < m->n_metrics; i++) {
		int rc = import(e, m->metrics[i]);
		if (rc == XFED_ERR_LIMIT || rc == XFED_ERR_NOMEM) {
			break;
		}
	}
	if (!m->more) {
		rt_metrics_import_commit(metrics, xfed_span_str(e->name));
		e->is_importing = false;
	}
}

static const char *direction_word(Xfed__Direction d)
{
	return d == XFED__DIRECTION__DIRECTION_IN ? "in" : "out";
}

/* A partner that has authenticated now: failures recorded under its name are marked as past. */
static void tell_journal(const struct edge *e, const Xfed__StreamEvent *m)
{
	for (size_t i = 0; i < m->n_pairs; i++) {
		const struct xfed_partner *p = policy_partner(e->channel->policy, xfed_span_str(m->pairs[i]->remote));
		if (p && m->pairs[i]->method[0]) {
			journal_proved(
				e->channel->journal, xfed_span_str(p->domain), xfed_span_str(m->pairs[i]->local), xfed_span_str(m->pairs[i]->remote));
		}
	}
}

/*
 * Whether what came over it may have gone on without our hearing of it. A partner that tidies up closes in order, and has said all
 * that it had to say; one that stops (the text begins with the condition) may come back with other users.
 */
static bool is_loss(enum xfed_reason reason, const char *text)
{
	static const char stops[] = "system-shutdown";
	return reason == XFED_REASON_STREAM_CLOSED_PEER ? strncmp(text, stops, sizeof(stops) - 1) == 0 : reason != XFED_REASON_STREAM_CLOSED_IDLE;
}

static void tell_user(const struct channel *c, const Xfed__StreamEvent *m, bool is_closed)
{
	for (size_t i = 0; i < m->n_pairs; i++) {
		struct xfed_span local = xfed_span_str(m->pairs[i]->local), remote = xfed_span_str(m->pairs[i]->remote);
		if (is_closed) {
			c->user->stream_lost(c->user_data, local, remote, m->direction != XFED__DIRECTION__DIRECTION_IN);
		} else {
			c->user->stream_open(c->user_data, local, remote);
		}
	}
}

void channel_take_stream_event(struct edge *e, const Xfed__StreamEvent *m)
{
	if (m->n_pairs == 0) {
		return;
	}
	bool is_closed = m->change == XFED__STREAM_CHANGE__STREAM_CLOSED;
	if (!is_closed && m->direction == XFED__DIRECTION__DIRECTION_IN) {
		tell_journal(e, m);
	}
	enum xfed_reason reason = is_closed ? xfed_reason_of_peer(xfed_span_str(m->reason)) : XFED_REASON_NONE;
	if (!is_closed || is_loss(reason, m->text)) {
		tell_user(e->channel, m, is_closed);
	}
	/* A reason that is an expected end has no stanza condition; for any other one somebody has to look after the partner. */
	bool is_trouble = is_closed && reason != XFED_REASON_STREAM_CLOSED_PEER && xfed_reason_info(reason)->condition;
	rt_log(is_trouble ? RT_LOG_WARNING : RT_LOG_DEBUG, is_closed ? "edge.stream-closed" : "edge.stream-open", RT_KV_STR("edge", e->name),
		RT_KV_STR("partner", m->pairs[0]->remote), RT_KV_STR("local", m->pairs[0]->local),
		RT_KV_STR("direction", direction_word(m->direction)), RT_KV_STR("method", m->pairs[0]->method[0] ? m->pairs[0]->method : NULL),
		RT_KV_STR("reason", is_closed ? rt_log_reason_word(reason) : NULL),
		RT_KV_STR("side", is_closed ? xfed_side_name(xfed_side_of_peer(xfed_span_str(m->side), reason)) : NULL),
		RT_KV_STR("text", m->text[0] ? m->text : NULL), RT_KV_U64("conn", m->stream), RT_END);
}

/*
 * Text from an edge never becomes a key in the log. Reported as a stranger's: incoming attempts, which authenticated nobody; an outgoing
 * failure with an address, which is that of the peer whose dialback key caused it; and failures about domains that we do not list, or that
 * are not ours.
 */
void channel_take_failure(struct edge *e, const Xfed__FailureEvent *m)
{
	const struct policy *policy = e->channel->policy;
	enum xfed_reason reason = xfed_reason_of_peer(xfed_span_str(m->reason));
	const struct xfed_partner *p = policy_partner(policy, xfed_span_str(m->remote));
	bool is_stranger = m->direction != XFED__DIRECTION__DIRECTION_OUT || m->address[0] || !p ||
			   !config_domain(policy_config(policy), xfed_span_str(m->local));
	rt_log(RT_LOG_WARNING, "failure", RT_KV_STR("edge", e->name), RT_KV_STR("partner", m->remote), RT_KV_STR("local", m->local),
		RT_KV_STR("direction", direction_word(m->direction)), RT_KV_REASON_SIDE(reason, xfed_side_of_peer(xfed_span_str(m->side), reason)),
		RT_KV_STR("said", reason == XFED_REASON_CHANNEL_REASON_UNKNOWN ? m->reason : NULL),
		RT_KV_STR("address", m->address[0] ? m->address : NULL), RT_KV_U64("repeated", m->repeated_count),
		RT_KV_STR("text", m->text[0] ? m->text : NULL), RT_KV_STR("correlation", m->correlation[0] ? m->correlation : NULL), RT_END);
	journal_add(e->channel->journal, xfed_span_str(e->name), xfed_span_str(p ? p->domain : ""), m, is_stranger);
}
