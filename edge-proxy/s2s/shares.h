/*
 * s2s: what partners and strangers share: places for streams, streams of ours, stanzas a second, and work. Whatever is refused takes no
 * place and is not counted. A refused stream of a partner is logged and counted in admission.c, a refused question is logged there too. For
 * a refused stream of ours the deliveries that needed it end with the reason.
 */
#ifndef EDGE_S2S_SHARES_H
#define EDGE_S2S_SHARES_H

#include "s2s/s2s.h"
#include "util/table.h"

struct rt_source_hold;
struct s2s_pair;

/* admission.c: places for peers that have not authenticated, and for streams of ours */
void s2s_shares_configure(struct s2s *s);
bool s2s_admit_partner(struct s2s *s, struct rt_stream *stream); /* True: it has a place until its socket is closed or it has authenticated */
bool s2s_admit_question(struct s2s *s, const struct s2s_conn *asker, struct rt_source_hold *hold);
/* Takes a place for a stream of ours for stanzas, kept until s2s_dial_over(). False: there is none; `side` and the pair's text say why. */
bool s2s_admit_dial(struct s2s_pair *p, const struct xfed_partner *partner, enum xfed_side *side);
void s2s_dial_use(struct s2s_pair *p);	/* to be called when a user's stanza goes over it: it is no stream for answers alone any more */
void s2s_dial_over(struct s2s_pair *p); /* allowed where it has no place */

/* work.c: limits on the work that strangers can cause */
bool s2s_work_handshake(struct s2s_conn *c); /* charges for a handshake that is about to begin. False: the stream is closed instead */
void s2s_work_job(struct s2s_conn *c);	     /* charges for the CPU time it has taken */
/* False: the budget of this address or its network is used up, which has been logged. */
bool s2s_work_spend(struct s2s *s, const struct rt_addr *from, uint32_t cost);
void s2s_work_charge(struct s2s_conn *c); /* charges for the work the peer has caused since the last call; closes the stream where it was too much */

/*
 * tally.c: what is counted per partner, by its primary domain: streams it has opened and authenticated, streams of ours to it with attempts
 * at one, and when its next stanza is due at its rate. Only authenticated streams count, or strangers could use up a partner's share by
 * using its name. The two counts are separate, because streams of ours are no streams of the partner's, though its names and questions may
 * have caused them. A tally outlives the streams, or closing and opening again would clear it; one whose due times are past and whose
 * counts are 0 is dropped.
 */
struct s2s_tally {
	size_t streams, dialled;
	/* due times: of the next stanza for a gateway, and of the next one the edge answers itself, which has a budget of its own of the same size */
	uint64_t due_us, answered_due_us;
	UT_hash_handle hh; /* s2s->tallies by domain */
	char domain[];
};
struct s2s_tally *s2s_tally_find(const struct s2s *s, const char *domain); /* NULL: nothing is counted for it */
struct s2s_tally *s2s_tally_of(struct s2s *s, const char *domain);	   /* finds or makes it. NULL: no memory, and the caller goes on uncounted */
/*
 * Counts a stanza of the partner, over whichever of its streams. Above limits.stanzas_per_second it is delayed: `*not_before_ms` is when it
 * may go to a gateway; 0: now. False: it would be delayed past its deadline, and is not counted.
 */
bool s2s_tally_stanza(struct s2s *s, const struct xfed_partner *partner, uint64_t *not_before_ms);
/* Counts a stanza that the edge answers itself (a query, one that is refused), or an error; these are not delayed. False: above the rate. */
bool s2s_tally_answered(struct s2s *s, const struct xfed_partner *partner);
void s2s_tallies_tick(struct s2s *s, uint64_t now_ms); /* drops tallies that count nothing; with UINT64_MAX, after the last stream has ended, all */

#endif
