/* Stanzas for partners: one memory block each, together with the data of the owner, who is told the outcome. */
#include "s2s/s2s_impl.h"

#include "xfed/mem.h"
#include "xfed/text.h"

#define OWNER_ALIGN _Alignof(max_align_t)
#define OWNER_AT    ((sizeof(struct s2s_item) + OWNER_ALIGN - 1) / OWNER_ALIGN * OWNER_ALIGN)

struct s2s_item *s2s_item_new(const struct s2s_item_new *n)
{
	size_t size = OWNER_AT + n->owner_bytes + n->stanza.len + n->remote.len + 2;
	struct s2s_item *it = xfed_malloc(size);
	if (!it) {
		return NULL;
	}
	char *at = (char *)it + OWNER_AT + n->owner_bytes;
	*it = (struct s2s_item){
		.in_pair = { .bytes = size, .deadline_ms = n->deadline_ms, .is_answer = n->is_answer, .is_followed = n->owner_bytes > 0 },
		.rule = n->rule,
		.remote = xfed_text_put(&at, n->remote)
	};
	it->stanza = xfed_span_make(xfed_text_put(&at, n->stanza), n->stanza.len);
	return it;
}

void *s2s_item_owner(struct s2s_item *it)
{
	return (char *)it + OWNER_AT;
}

/* The end of a stanza without owner, of whose outcome nobody is told. */
static void settle_own(struct s2s *s, const struct s2s_item *it)
{
	if (it->in_pair.fate != XFED__FATE__FATE_DELIVERED) {
		core_count_dropped(s->core, it->rule);
		rt_log(RT_LOG_INFO, "stanza.dropped", RT_KV_STR("partner", it->remote), RT_KV_STR("rule", it->rule),
			RT_KV_REASON_SIDE(it->in_pair.reason, it->in_pair.side), RT_END);
	}
}

void s2s_item_settle(struct s2s *s, struct s2s_item *it)
{
	const struct pair_item *p = &it->in_pair;
	if (!it->in_pair.is_followed) {
		settle_own(s, it);
	} else if (p->owes_error) {
		s->user->written(s->user_data, s2s_item_owner(it));
	} else {
		s->user->fate(s->user_data, s2s_item_owner(it), p->fate, p->reason, p->side);
	}
}
