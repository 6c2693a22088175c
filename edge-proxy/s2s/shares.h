/*
 * s2s: what is shared out among partners and strangers: places, streams, stanzas a second, work.
 * Who is refused takes no place and adds to no count. A partner's stream that is refused is logged and counted in admission.c, a
 * refused question is logged here. A stream of ours that is refused is told where the deliveries that were to use it end.
 */
#ifndef EDGE_S2S_SHARES_H
#define EDGE_S2S_SHARES_H

#include "s2s/s2s.h"
#include "util/table.h"

struct rt_source_hold;
struct s2s_pair;

/* admission.c: places for those who have proved nothing, and for streams of ours */
void s2s_shares_configure(struct s2s *s);
bool s2s_admit_partner(struct s2s *s, struct rt_stream *stream); /* it has its place until its socket is closed, or it has proved something */
bool s2s_admit_question(struct s2s *s, const struct s2s_conn *asker, struct rt_source_hold *hold);
/* A place for a stream of ours for stanzas, until s2s_dial_over(). False: there is none, `side` and the pair's text say why. */
bool s2s_admit_dial(struct s2s_pair *p, const struct xfed_partner *partner, enum xfed_side *side);
void s2s_dial_use(struct s2s_pair *p);	/* where something of a user's goes its way, it is no stream for answers alone any more */
void s2s_dial_over(struct s2s_pair *p); /* holding none is fine */

/* work.c: what strangers may have us do */
bool s2s_work_handshake(struct s2s_conn *c); /* one begins. False: it may not, and the stream closes */
void s2s_work_job(struct s2s_conn *c);	     /* what it took in fact */
/* False: the budget of this address, or its network, is used up, which has been logged. */
bool s2s_work_spend(struct s2s *s, const struct rt_addr *from, uint32_t cost);
void s2s_work_charge(struct s2s_conn *c); /* for what its peer has had us do since; closes it where that was too much */

/*
 * tally.c: what a partner has of ours, found by its primary domain: streams it has opened and proved, streams of ours to it and attempts
 * at one, and when its next stanza is due at its rate. Naming a partner is not enough, or strangers would use up what is the partner's.
 * The two counts are apart: a stream of ours is not the partner's, though its names and its questions may have caused it. That
 * outlives the streams, or who closes and opens again would begin anew; what lies in the past is the same as none.
 */
struct s2s_tally {
	size_t streams, dialled;
	uint64_t due_us, answered_due_us; /* what the edge answers itself has a budget of its own, of the same size */
	UT_hash_handle hh;		  /* s2s->tallies by domain */
	char domain[];
};
struct s2s_tally *s2s_tally_find(const struct s2s *s, const char *domain); /* NULL: it has nothing */
struct s2s_tally *s2s_tally_of(struct s2s *s, const char *domain);	   /* NULL: no memory; one too many is better than one too few */
/*
 * A stanza of the partner's, over whichever stream. Over limits.stanzas_per_second it waits: `*not_before_ms` is when it may go to a
 * gateway, 0: now. False: it would wait too long to be delivered at all, and is not counted.
 */
bool s2s_tally_stanza(struct s2s *s, const struct xfed_partner *partner, uint64_t *not_before_ms);
/* One of those that the edge answers itself (queries, what it refuses), or an error: they wait for nothing. False: over it. */
bool s2s_tally_answered(struct s2s *s, const struct xfed_partner *partner);
void s2s_tallies_tick(struct s2s *s, uint64_t now_ms); /* what counts nothing goes; at UINT64_MAX, behind the last stream, all */

#endif
