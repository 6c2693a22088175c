#include "s2s/s2s_impl.h"

#include <stdio.h>

/*
 * Answers of the edge itself to partners: errors to senders of stanzas, and the results of s2s/iq.c. They go over a stream of ours to the
 * partner, like any stanza.
 */
void s2s_answer(struct s2s *s, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, const char *rule)
{
	xfed_buf_clear(&s->scratch);
	int rc = elem ? xfed_xml_write(&s->scratch, elem, XFED_SPAN(XFED_NS_SERVER)) : XFED_ERR_NOMEM;
	if (rc == XFED_ERR_LIMIT || (rc == XFED_OK && xfed_buf_len(&s->scratch) > XFED_STANZA_BYTES_MIN)) {
		/*
		 * The text and the id in it come from a user. No server has to accept so large a stanza [A10-11], and one that does not would end our
		 * stream.
		 */
		core_count_dropped(s->core, "error-too-large");
		return;
	}
	struct s2s_item_new n = { .stanza = xfed_buf_span(&s->scratch), .remote = remote, .rule = rule, .is_answer = true };
	struct s2s_item *it = rc == XFED_OK ? s2s_item_new(&n) : NULL;
	if (!it) {
		core_count_dropped(s->core, "no-memory");
		return;
	}
	s2s_send(s, local, remote, it);
}

void s2s_bounce(struct s2s *s, struct xfed_arena *a, const struct xfed_stanza *st, const struct xfed_stanza_error *err)
{
	bool nomem = false;
	struct xfed_xml_elem *elem = xfed_stanza_error_new(a, st, err, &nomem);
	if (elem || nomem) {
		s2s_answer(s, st->to.domain, st->from.domain, elem, "error-unsendable");
	} else {
		core_count_dropped(s->core, "no-error-due");
	}
}

void s2s_correlation(const struct s2s *s, uint64_t stream, uint64_t ordinal, char out[S2S_CORRELATION_BYTES])
{
	snprintf(out, S2S_CORRELATION_BYTES, "%.29s-%llx-%llx", s->config->base.name, (unsigned long long)stream, (unsigned long long)ordinal);
}

static void refuse(struct s2s_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason, const char *text, bool is_answered)
{
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	struct core *core = c->s2s->core;
	char correlation[S2S_CORRELATION_BYTES];
	s2s_correlation(c->s2s, c->id, c->stanzas_in, correlation);
	core_count_refusal(core, reason, info->side);
	rt_log(RT_LOG_INFO, "stanza.refused", RT_KV("partner", act->stanza.from.domain), RT_KV("local", act->stanza.to.domain), RT_KV_REASON(reason),
		RT_KV_STR("text", text), RT_KV_U64("conn", c->id), RT_KV("id", act->stanza.id), RT_KV_STR("correlation", correlation), RT_END);
	if (!info->condition || !is_answered) {
		core_count_dropped(core, "no-error-due");
		return;
	}
	char words[256];
	xfed_reason_words(words, sizeof(words), reason, xfed_span_str(text));
	struct xfed_stanza_error err = { .condition = info->condition, .text = xfed_span_str(words), .is_too_big = xfed_reason_is_size(reason) };
	s2s_bounce(c->s2s, act->arena, &act->stanza, &err);
}

void s2s_refuse_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason)
{
	refuse(c, act, reason, NULL, xfed_stanza_may_error(&act->stanza));
}

void s2s_refuse(const struct s2s_incoming *in, enum xfed_reason reason)
{
	s2s_refuse_stanza(in->conn, in->act, reason);
}

/* Available presence gets no answer: its sender does not wait for one. */
void s2s_refuse_users(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	const struct xfed_stanza *st = &act->stanza;
	bool is_available = st->kind == XFED_STANZA_PRESENCE && st->type == XFED_TYPE_NONE;
	bool is_answered = xfed_stanza_may_error(st) && !is_available;
	const char *kind = st->kind == XFED_STANZA_IQ ? "iq" : proto_kind_word(proto_kind_of(st));
	core_count_stanza(c->s2s->core, s2s_partner_label(c->s2s, st->from.domain), "to_sip", kind, is_answered ? "refused" : "dropped");
	refuse(c, act, act->reason, act->text, is_answered);
}
