/* What an entry sends to its sender: the copy of its outcome, and the lists of entries that are to be sent. */
#include "proto/inbox_impl.h"
#include "xfed/reason.h"
#include "xfed/text.h"

#define NO_TEXTS 8 /* NUL bytes of as many empty strings */

static size_t texts_bytes(const Xfed__Outcome *oc, const struct proto_inbox_words *w)
{
	size_t bytes = NO_TEXTS + xfed_span_str(oc->condition).len + xfed_span_str(oc->error_type).len + xfed_span_str(oc->text).len +
		       xfed_span_str(oc->reason).len + xfed_span_str(oc->rule).len + xfed_span_str(oc->address).len + xfed_span_str(oc->side).len +
		       xfed_span_str(oc->whose).len;
	return w ? bytes + w->type.len + w->id.len + w->from.len + w->to.len + 4 : bytes;
}

static void copy_words(struct inbox_node *n, char *at, const struct proto_inbox_words *w)
{
	n->words = (struct proto_inbox_words){
		.kind = w->kind,
		.type = xfed_span_put(&at, w->type),
		.id = xfed_span_put(&at, w->id),
		.from = xfed_span_put(&at, w->from),
		.to = xfed_span_put(&at, w->to),
	};
	n->e.words = &n->words;
}

int inbox_copy_outcome(struct inbox_node *n, const Xfed__Outcome *from, const struct proto_inbox_words *words)
{
	Xfed__Outcome *to = &n->outcome;
	xfed__outcome__init(to);
	to->seq = n->e.seq;
	to->fate = from->fate;
	to->sip_status = from->sip_status;
	enum xfed_reason reason = xfed_reason_by_code(xfed_span_str(from->reason));
	if (reason != XFED_REASON_NONE) {
		to->reason = (char *)(uintptr_t)xfed_reason_code(reason);
	}
	size_t bytes = texts_bytes(from, words);
	if (bytes == NO_TEXTS && !words) {
		return XFED_OK; /* a good outcome has no texts */
	}
	n->texts = xfed_malloc(bytes);
	if (!n->texts) {
		return XFED_ERR_NOMEM;
	}
	char *at = n->texts;
	to->condition = xfed_text_put(&at, xfed_span_str(from->condition));
	to->error_type = xfed_text_put(&at, xfed_span_str(from->error_type));
	to->text = xfed_text_put(&at, xfed_span_str(from->text));
	to->reason = xfed_text_put(&at, xfed_span_str(from->reason));
	to->rule = xfed_text_put(&at, xfed_span_str(from->rule));
	to->address = xfed_text_put(&at, xfed_span_str(from->address));
	to->side = xfed_text_put(&at, xfed_span_str(from->side));
	to->whose = xfed_text_put(&at, xfed_span_str(from->whose));
	if (words) {
		copy_words(n, at, words);
	}
	return XFED_OK;
}

void inbox_is_said(struct inbox_node *n)
{
	struct unsaid *l = n->unsaid;
	if (!l) {
		return;
	}
	*(n->say_prev ? &n->say_prev->say_next : &l->first) = n->say_next;
	*(n->say_next ? &n->say_next->say_prev : &l->last) = n->say_prev;
	n->unsaid = NULL;
}

void inbox_is_to_be_said(struct unsaid *l, struct inbox_node *n)
{
	inbox_is_said(n);
	n->unsaid = l;
	n->say_prev = l->last;
	n->say_next = NULL;
	*(l->last ? &l->last->say_next : &l->first) = n;
	l->last = n;
}

static struct proto_inbox_entry *next_of(struct inbox_node *n)
{
	if (!n) {
		return NULL;
	}
	inbox_is_said(n);
	return &n->e;
}

struct proto_inbox_entry *proto_inbox_next_ask(struct proto_inbox_run *run, uint64_t now_ms)
{
	struct inbox_node *n = run->asks.first;
	if (!n) {
		return NULL;
	}
	n->e.said_ms = now_ms;
	inbox_is_to_be_said(&run->unanswered, n);
	return &n->e;
}

uint64_t proto_inbox_unanswered_ms(const struct proto_inbox_run *run, uint64_t now_ms)
{
	const struct inbox_node *n = run->unanswered.first;
	return n ? now_ms - n->e.said_ms : 0;
}

struct proto_inbox_entry *proto_inbox_next_tell(struct proto_inbox_run *run)
{
	return next_of(run->tells.first);
}

void proto_inbox_tell_again(struct proto_inbox_run *run, struct proto_inbox_entry *entry)
{
	XFED_REQUIRE(entry->state == PROTO_INBOX_SETTLED);
	inbox_is_to_be_said(&run->tells, (struct inbox_node *)entry);
}

void proto_inbox_say_again(struct proto_inbox_run *run)
{
	for (struct inbox_node *n = run->first; n; n = n->next) {
		if (n->e.state == PROTO_INBOX_SETTLED) {
			inbox_is_to_be_said(&run->tells, n);
		} else if (n->e.state == PROTO_INBOX_ASKED) {
			inbox_is_to_be_said(&run->asks, n);
		}
	}
}
