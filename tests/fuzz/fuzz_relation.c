/*
 * Who may see whom (RFC 6121 section 3): two servers with one machine each, the user's and the contact's, and the stanzas between them, which
 * keep their order and may be lost. Each byte of the input lets one of the two people do something, or lets a stanza arrive or vanish.
 *
 * Properties: a machine agrees with a second account of what its user has allowed and asked for, kept by four booleans; nobody is
 * shown anything that was not true while its owner allowed it, whatever crosses; as long as nothing is lost, who sees is let see.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "interwork/relation.h"

#define MUST(cond) ((cond) ? (void)0 : abort())
#define ON_THE_WAY 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum word { SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBED, UNSUBSCRIBED, SHOWN, WORDS };

struct person {
	struct iw_relation relation;
	/* The second account: of the other who watches, and of what this one watches. */
	bool has_allowed, is_asked, lets_see, wants, sees;
	unsigned state;	    /* of his presence: counts up */
	bool may_have[256]; /* state -> the other may have been shown it */
	enum word way[ON_THE_WAY];
	unsigned said[ON_THE_WAY]; /* of SHOWN */
	size_t first, count;
};

static void send(struct person *from, enum word w)
{
	if (from->count < ON_THE_WAY) {
		size_t at = (from->first + from->count++) % ON_THE_WAY;
		from->way[at] = w;
		from->said[at] = from->state;
	}
}

static void check(const struct person *p)
{
	enum iw_relation_state s = p->relation.state;
	MUST(iw_relation_is_from(s) == p->lets_see && iw_relation_is_pending_in(s) == p->is_asked);
	MUST(iw_relation_is_to(s) == p->sees && iw_relation_is_pending_out(s) == p->wants);
	MUST(p->relation.is_preapproved == p->has_allowed);
}

/* His server shows his presence to whom the relation lets see, and to nobody else. */
static void show(struct person *p)
{
	if (iw_relation_is_from(p->relation.state)) {
		MUST(p->lets_see);
		p->may_have[p->state] = true;
		send(p, SHOWN);
	}
}

static void begin_to_let_see(struct person *p)
{
	p->lets_see = true;
	p->has_allowed = p->is_asked = false;
	show(p);
}

static void does(struct person *p, enum word w)
{
	struct iw_relation_step step = iw_relation_step(&p->relation, (enum iw_relation_event)(IW_RELATION_OUT_SUBSCRIBE + w));
	bool had_asked = p->is_asked;
	if (step.is_passed) {
		send(p, w);
	}
	switch (w) {
	case SUBSCRIBE:
		p->wants = !p->sees;
		break;
	case UNSUBSCRIBE:
		p->wants = p->sees = false;
		break;
	case SUBSCRIBED:
		p->has_allowed = !p->lets_see;
		if (had_asked) {
			begin_to_let_see(p);
		}
		break;
	default:
		p->has_allowed = p->is_asked = p->lets_see = false;
		break;
	}
	check(p);
}

static void hears(struct person *p, enum word w)
{
	struct iw_relation_step step = iw_relation_step(&p->relation, (enum iw_relation_event)(IW_RELATION_IN_SUBSCRIBE + w));
	if (step.reply != IW_RELATION_SILENT) {
		send(p, step.reply == IW_RELATION_SUBSCRIBED ? SUBSCRIBED : UNSUBSCRIBED);
	}
	switch (w) {
	case SUBSCRIBE:
		MUST((step.reply == IW_RELATION_SUBSCRIBED) == (p->lets_see || p->has_allowed)); /* by nothing but his word */
		if (p->has_allowed) {
			begin_to_let_see(p);
		} else {
			p->is_asked = !p->lets_see;
		}
		break;
	case UNSUBSCRIBE:
		p->is_asked = p->lets_see = false;
		break;
	case SUBSCRIBED:
		p->sees |= p->wants;
		p->wants = false;
		break;
	default:
		p->wants = p->sees = false;
		break;
	}
	check(p);
}

static void arrives(struct person *from, struct person *to)
{
	if (from->count == 0) {
		return;
	}
	size_t at = from->first;
	from->first = (from->first + 1) % ON_THE_WAY;
	from->count--;
	if (from->way[at] != SHOWN) {
		hears(to, from->way[at]);
	} else if (iw_relation_is_to(to->relation.state)) {
		MUST(from->may_have[from->said[at]]);
	}
}

static void vanishes(struct person *from)
{
	if (from->count > 0) {
		from->first = (from->first + 1) % ON_THE_WAY;
		from->count--;
	}
}

/* All that is on the way arrives, and what that leads to. */
static void settle(struct person *a, struct person *b)
{
	for (int i = 0; i < 8 * ON_THE_WAY && a->count + b->count > 0; i++) {
		arrives(a, b);
		arrives(b, a);
	}
	MUST(a->count + b->count == 0); /* they do not answer each other for ever */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct person *people = calloc(2, sizeof(*people));
	bool is_whole = true;
	MUST(people);
	for (size_t i = 0; i < size; i++) {
		struct person *p = &people[data[i] & 1], *other = &people[!(data[i] & 1)];
		unsigned what = (data[i] >> 1) % 8;
		if (what < SHOWN) {
			is_whole &= p->count < ON_THE_WAY - 4 && other->count < ON_THE_WAY - 4;
			does(p, (enum word)what);
		} else if (what == SHOWN && p->state < 255) {
			p->state++;
			show(p);
		} else if (what == 5) {
			vanishes(p);
			is_whole = false;
		} else {
			arrives(other, p);
		}
	}
	settle(&people[0], &people[1]);
	for (int i = 0; i < 2 && is_whole; i++) {
		MUST(!people[i].sees || people[!i].lets_see || people[!i].is_asked); /* at the least his server knows that he wants to */
	}
	free(people);
	return 0;
}
