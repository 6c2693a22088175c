/* s2s: our ways to partners: pairs, the items that wait for them, and the questions of dialback that go over them. */
#ifndef EDGE_S2S_OUTBOUND_H
#define EDGE_S2S_OUTBOUND_H

#include "s2s/pair.h"
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
	struct pair_item in_pair; /* first */
	struct s2s_pair *pair;	  /* where it waits; NULL: nowhere yet */
	const char *rule;	  /* without owner: lost, it is counted under this */
	const char *remote;	  /* whose partner it is for */
	struct xfed_span stanza;
};

/* Our way to a partner's domain: for stanzas of one pair, or, as a verify pair, for questions to its server. */
struct s2s_pair {
	struct s2s *s2s;
	struct pair way;      /* the machine */
	bool is_running;      /* its actions are being performed */
	char *local, *remote; /* normalised; `remote` follows `local` in the key */
	size_t key_len;
	struct s2s_steps *steps;	/* of the attempt under way */
	const struct s2s_conn *ending;	/* while LOST is performed: the stream that has ended */
	char text[192];			/* what it said last */
	struct s2s_turns waiting;	/* verify: not asked yet */
	struct s2s_question *questions; /* verify: asked, without a verdict */
	size_t asked, unanswered; /* verify: questions without a verdict; questions given up, which keep their place as the answer may still come */
	char stranger[RT_ADDR_TEXT]; /* verify: the address of who first asked and has proved nothing; else empty */
	struct rt_source_hold asker; /* verify: while there is an attempt or a stream, the place of who first asked */
	struct rt_post ask;
	struct rt_lookup *lookup;
	bool is_connect_to; /* ... of the name the operator has given */
	struct rt_addr *addresses;
	struct s2s_conn *conn;
	bool is_second_best, renews; /* the stream is one that dialback had to do for; another is made when nothing is under way on it */
	size_t look_at;		     /* so many stanzas not known to be received: time to ask the kernel */
	struct s2s_tally *dialled;   /* the partner's count of our streams, while this is in it */
	bool has_place;		     /* ... and in the edge's */
	bool is_answering;	     /* ... there among those for answers alone */
	UT_hash_handle hh;	     /* s2s->pairs by key */
};

/* outbound.c */
struct s2s_pair *s2s_pair_find(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify);
struct s2s_pair *s2s_pair_new(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify); /* NULL: no memory */
/* Something has come about: the machine's step, and everything that follows from it. */
void s2s_pair_event(struct s2s_pair *p, const struct pair_event *ev);
void s2s_pair_simple(struct s2s_pair *p, enum pair_event_type type);		   /* one of those without more */
int s2s_pair_open(struct s2s *s, struct xfed_span local, struct xfed_span remote); /* begins a stream that is not there; OK or NOMEM */
void s2s_pairs_judge(struct s2s *s); /* another policy: what waits for whom it does not have is refused */
void s2s_pairs_forget_backoff(struct s2s *s);
void s2s_pairs_tick(struct s2s *s, uint64_t now_ms);
void s2s_pairs_free(struct s2s *s);

/* item.c */
void s2s_item_settle(struct s2s *s, struct s2s_item *it); /* tells what it ended as, once */

/* reach.c: the addresses of a lookup become the pair's, as far as a partner's DNS may lead there. NONE, or why there are none. */
enum xfed_reason s2s_reach_take(struct s2s_pair *p, const struct rt_endpoints *r, size_t *count);

/* turns.c: questions that wait, taken by network in turns */
bool s2s_turns_add(struct s2s_turns *t, const struct rt_addr *from, struct s2s_question *q); /* false: no memory */
struct s2s_question *s2s_turns_take(struct s2s_turns *t);				     /* NULL: none */
struct s2s_question *s2s_turns_overdue(struct s2s_turns *t, uint64_t now_ms);		     /* one, taken out; NULL: none */

/* questions.c: keys that came in are asked about elsewhere, by verify pairs */
/* Asks the server of the key's sender, for the stream `asker` it came in on. */
void s2s_questions_ask(const struct s2s_conn *asker, const struct xfed_s2s_question *asked);
void s2s_questions_tell(void *s2s); /* the streams that keys came from, of their verdicts */
void s2s_verdicts_free(struct s2s *s);
void s2s_questions_reply(struct s2s_conn *c, const struct xfed_dialback_elem *verify); /* as authoritative server */
void s2s_questions_go_on(void *pair);						       /* the stream is there, or has room again */
void s2s_questions_answered(struct s2s_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict);
void s2s_questions_fail(struct s2s_pair *p, bool was_open); /* all of them */
void s2s_questions_tick(struct s2s_pair *p, uint64_t now_ms);
void s2s_questions_free(struct s2s_pair *p);

#endif
