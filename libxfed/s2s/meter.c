/*
 * Limits the work a peer can cause besides its stanzas: headers, elements of the negotiation, dialback, acknowledgements, and before
 * authentication every byte. A leaky bucket, emptied by time and by each stanza; when it overflows the stream is closed. It cannot be
 * configured: no working partner comes near the limits, and a wrong setting could only do harm.
 */
#include "internal.h"

#define UNIT 1000 /* the level is in thousandths, so that whole numbers leak per millisecond */

static void leak(struct s2s_meter *m, uint64_t amount)
{
	m->level = m->level > amount ? m->level - amount : 0;
}

static bool spend(struct xfed_s2s *s, size_t units)
{
	struct s2s_meter *m = &s->meter;
	leak(m, (s->now_ms - m->at_ms) * (UNIT / 1000) * XFED_S2S_WORK_PER_S);
	m->at_ms = s->now_ms;
	m->level += (uint64_t)units * UNIT;
	if (!s->is_established) {
		m->unproved += units;
	}
	if (m->level <= (uint64_t)XFED_S2S_WORK_UNITS * UNIT) {
		return true;
	}
	if (s->state == XFED_S2S_CLOSING) {
		s2s_finish(s, false);
	} else {
		s2s_close(s, XFED_REASON_POLICY_WORK_EXCEEDED,
			s->is_established ? "too many elements that are no stanzas" : "too much work before authentication");
	}
	return false;
}

/* Number of labels of an address that IDNA may have to process. */
static size_t costly_labels(struct xfed_span address)
{
	size_t labels = 1;
	bool is_costly = false;
	for (size_t i = 0; i < address.len; i++) {
		char c = address.data[i];
		labels += c == '.';
		is_costly |= (c & 0x80) || ((c | 0x20) == 'x' && address.len - i >= 4 && address.data[i + 2] == '-');
	}
	return is_costly ? labels : 0;
}

bool s2s_meter_element(struct xfed_s2s *s, const struct xfed_xml_elem *e)
{
	struct xfed_span from = xfed_xml_attr_get(e, "from"), to = xfed_xml_attr_get(e, "to");
	bool is_key = xfed_span_is(e->ns, XFED_NS_DIALBACK) && !xfed_xml_attr_get(e, "type").data;
	return spend(s, 1 + costly_labels(from) + costly_labels(to) + (is_key ? XFED_S2S_WORK_KEY : 0));
}

bool s2s_meter_bytes(struct xfed_s2s *s, size_t count)
{
	if (s->is_established) {
		return true; /* sizes and rates of stanzas have limits of their own */
	}
	s->meter.bytes += count;
	size_t units = s->meter.bytes / XFED_S2S_WORK_BYTES;
	s->meter.bytes %= XFED_S2S_WORK_BYTES;
	return units == 0 || spend(s, units);
}

void s2s_meter_stanza(struct xfed_s2s *s)
{
	leak(&s->meter, (uint64_t)XFED_S2S_WORK_STANZA * UNIT);
}

/* The answer is caused by us: its element, its bytes, and the addresses of the question. */
void s2s_meter_question(struct xfed_s2s *s, const struct xfed_dialback_pair *pair)
{
	leak(&s->meter, (uint64_t)(2 + costly_labels(pair->sender_raw) + costly_labels(pair->target_raw)) * UNIT);
}

uint64_t xfed_s2s_unproved_work(const struct xfed_s2s *s)
{
	return s->meter.unproved;
}
