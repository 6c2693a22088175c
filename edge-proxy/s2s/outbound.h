/* s2s: our ways to partners: pairs, the items that wait for them, and the questions of dialback that go over them. */
#ifndef S2S_OUTBOUND_H
#define S2S_OUTBOUND_H

#include "s2s/s2s.h"
#include "util/table.h"
#include "xfed/rt/source.h"

struct s2s_pair;
struct s2s_steps;
struct s2s_tally;
struct s2s_turn;

/* A key that came in on connection `origin` and is to be verified; one block with its strings. */
struct s2s_question {
	struct s2s_question *prev, *next;
	struct xfed_s2s_question q;
	struct rt_source_hold place;	    /* of a stranger, until the verdict; who began the stream has the pair's */
	uint64_t deadline_ms;		    /* not asked by then: it has no place */
	enum xfed_dialback_verdict verdict; /* once it is known */
};

/* Questions that wait, by the network they come from. */
struct s2s_turns {
	struct s2s_turn *by_network, *order;
	size_t count;
};

/* One block with its owner's memory and its strings. */
struct s2s_item {
	struct s2s_item *prev, *next;
	struct s2s_pair *pair; /* where it is parked or waits to be acknowledged; NULL: nowhere */
	uint64_t added_ms, deadline_ms;
	const char *rule;   /* without owner: lost, it is counted under this */
	const char *remote; /* whose partner it is for */
	bool has_owner, is_answer;
	bool is_written; /* waits to be acknowledged */
	bool is_settled; /* its fate has been told, which may be before the acknowledgement comes */
	bool owes_error; /* ... as written: if it is lost after all, that is told too */
	struct xfed_span stanza;
	size_t bytes;
};

enum s2s_pair_state { S2S_PAIR_IDLE, S2S_PAIR_RESOLVING, S2S_PAIR_CONNECTING, S2S_PAIR_NEGOTIATING, S2S_PAIR_READY };

/* Our way to a partner's domain: for stanzas of one pair, or, as a verify pair, for questions to its server. */
struct s2s_pair {
	struct s2s *s2s;
	char *local, *remote; /* normalised; `remote` follows `local` in the key */
	size_t key_len;
	bool is_verify;
	struct s2s_steps *steps;	/* of the attempt under way */
	const struct s2s_conn *ending;	/* while s2s_pair_lost() runs: the stream that has ended */
	char text[192];			/* what it said last */
	bool avoid_external, avoid_tls; /* failed in this attempt, and policy allows the next best */
	struct s2s_turns waiting;	/* verify: not asked yet */
	struct s2s_question *questions; /* verify: asked, without a verdict */
	size_t asked, unanswered;	/* verify: how many those are; how many more keep a place on the stream, as an answer may still come */
	char stranger[RT_ADDR_TEXT];	/* verify: the address of who first asked and has proved nothing; else empty */
	struct rt_source_hold asker;	/* verify: while there is an attempt or a stream, the place of who first asked */
	struct rt_post ask;
	bool tried_external; /* the last stream got as far as <auth/> */
	enum s2s_pair_state state;
	struct rt_lookup *lookup;
	bool is_connect_to; /* ... of the name the operator has given */
	struct rt_addr *endpoints;
	size_t endpoint_count, endpoint_next;
	struct s2s_conn *conn;
	struct s2s_item *queue;
	size_t queue_bytes, queue_count;
	struct s2s_item *unacked; /* written, in this order; stream management runs */
	size_t unacked_count;
	struct s2s_tally *dialled; /* the partner's count of our streams, while this is in it */
	bool has_place;		   /* ... and in the edge's */
	bool is_for_users;	   /* not for answers alone, since the stream was begun */
	uint64_t answered_ms;	   /* an answer was last sent then */
	uint64_t backoff_ms, retry_at_ms, started_ms;
	enum xfed_reason last_reason;
	UT_hash_handle hh; /* s2s->pairs by key */
};

/* outbound.c */
void s2s_pair_ready(struct s2s_pair *p);
void s2s_pair_acked(struct s2s_pair *p, size_t count); /* the partner has taken the oldest `count` of what was written */
/* The connection of the pair has ended, or never came. */
void s2s_pair_lost(struct s2s_pair *p, enum xfed_reason reason, enum xfed_side side);
void s2s_pair_connect_failed(struct s2s_pair *p, enum xfed_reason reason);
void s2s_pairs_refuse(struct s2s *s, bool (*which)(const struct s2s_pair *p), enum xfed_reason reason);
void s2s_pairs_forget_backoff(struct s2s *s);
void s2s_pairs_tick(struct s2s *s, uint64_t now_ms);
void s2s_pairs_free(struct s2s *s);

/* Asks the server of `q`'s sender, for the stream `asker` its key came in on. */
void s2s_pair_ask(const struct s2s_conn *asker, struct s2s_question *q);
void s2s_pair_answered(struct s2s_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict);

/* reach.c: the addresses of a lookup become the pair's endpoints, as far as a partner's DNS may lead there. NONE, or why there are none. */
enum xfed_reason s2s_reach_take(struct s2s_pair *p, const struct rt_endpoints *r);

/* turns.c: questions that wait, taken by network in turns */
bool s2s_turns_add(struct s2s_turns *t, const struct rt_addr *from, struct s2s_question *q); /* false: no memory */
struct s2s_question *s2s_turns_take(struct s2s_turns *t);				     /* NULL: none */
struct s2s_question *s2s_turns_overdue(struct s2s_turns *t, uint64_t now_ms);		     /* one, taken out; NULL: none */

/* verify.c: keys that came in are asked about elsewhere; as authoritative server we answer by the secret */
void s2s_verify_ask(struct s2s_conn *c, const struct xfed_s2s_question *q);
void s2s_verify_answer(struct s2s_conn *c, const struct xfed_dialback_elem *verify);
/* Takes ownership; the stream the key came from is told soon. */
void s2s_verify_settle(struct s2s *s, struct s2s_question *q, enum xfed_dialback_verdict verdict);
struct s2s_question *s2s_question_new(const struct xfed_s2s_question *q);
void s2s_question_free(struct s2s_question *q);
void s2s_verify_tell(void *s2s);
void s2s_verify_free(struct s2s *s);

#endif
