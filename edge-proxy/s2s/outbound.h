/* s2s: streams of ours to partners: pairs, the items that wait for them, and the dialback questions that go over them. */
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

/* A dialback key that came in on connection `origin` and has to be verified; one block with its strings. */
struct s2s_question {
	struct s2s_question *prev, *next;
	struct xfed_s2s_question q;
	/* the place of a stranger's question, until the verdict; the place of the one that began the stream is in the pair */
	struct rt_source_hold place;
	uint64_t deadline_ms;		    /* not asked by then: answered as busy */
	enum xfed_dialback_verdict verdict; /* valid once there is one */
};

/* Questions that wait, in turns by the network they come from. */
struct s2s_turns {
	struct s2s_turn *by_network, *order;
	size_t count;
};

/* A stanza for a partner; one block with the owner's data and its strings. */
struct s2s_item {
	struct pair_item in_pair; /* has to be the first member */
	struct s2s_pair *pair;	  /* the pair that has it; NULL: none yet */
	const char *rule;	  /* without an owner: the rule under which its loss is counted */
	const char *remote;	  /* the domain of the partner it is for */
	struct xfed_span stanza;
};

/* One domain of ours and one of a partner's, for stanzas; or as a verify pair, for dialback questions to the partner's server. */
struct s2s_pair {
	struct s2s *s2s;
	struct pair way;      /* the machine */
	bool is_running;      /* actions are being performed */
	char *local, *remote; /* normalised; `remote` follows `local` in the key */
	size_t key_len;
	struct s2s_steps *steps;	/* of the present attempt */
	const struct s2s_conn *ending;	/* while PAIR_LOST is handled: the stream that has ended */
	char text[192];			/* the text of the last failure */
	struct s2s_turns waiting;	/* verify pairs: questions not asked yet */
	struct s2s_question *questions; /* verify pairs: questions asked, without a verdict */
	/* verify pairs: questions without a verdict; questions given up, which keep their place because the answer may still come */
	size_t asked, unanswered;
	char stranger[RT_ADDR_TEXT]; /* verify pairs: the address of the first asker, where it has not authenticated; else empty */
	struct rt_source_hold asker; /* verify pairs: the place of the first asker, while there is an attempt or a stream */
	struct rt_post ask;
	struct rt_lookup *lookup;
	bool is_connect_to; /* `lookup` is for the name in connect_to */
	struct rt_addr *addresses;
	struct s2s_conn *conn;
	/* the stream authenticated by dialback after EXTERNAL had failed; it is to be replaced when nothing is under way on it */
	bool is_second_best, renews;
	size_t look_at;		   /* so many stanzas not known to be received: the kernel is asked again */
	struct s2s_tally *dialled; /* the partner's tally that counts our stream; NULL: not counted */
	bool has_place;		   /* counted in s2s->dialled */
	bool is_answering;	   /* counted in s2s->answering */
	UT_hash_handle hh;	   /* s2s->pairs by key */
};

/* outbound.c */
struct s2s_pair *s2s_pair_find(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify);
struct s2s_pair *s2s_pair_new(struct s2s *s, struct xfed_span local, struct xfed_span remote, bool is_verify); /* NULL: no memory */
/* Feeds an event to the machine, and performs what follows from it. */
void s2s_pair_event(struct s2s_pair *p, const struct pair_event *ev);
void s2s_pair_simple(struct s2s_pair *p, enum pair_event_type type);		   /* an event without further members */
int s2s_pair_open(struct s2s *s, struct xfed_span local, struct xfed_span remote); /* begins a stream where there is none; OK or NOMEM */
void s2s_pairs_judge(struct s2s *s); /* after a change of policy: refuses what waits for partners it no longer lists */
void s2s_pairs_forget_backoff(struct s2s *s);
void s2s_pairs_tick(struct s2s *s, uint64_t now_ms);
void s2s_pairs_free(struct s2s *s);

/* item.c */
void s2s_item_settle(struct s2s *s, struct s2s_item *it); /* reports its outcome, once */

/* reach.c: takes from the addresses found those a partner's DNS may lead to. NONE, or why there are none. */
enum xfed_reason s2s_reach_take(struct s2s_pair *p, const struct rt_endpoints *r, size_t *count);

/* turns.c: questions that wait; the networks they come from take turns */
bool s2s_turns_add(struct s2s_turns *t, const struct rt_addr *from, struct s2s_question *q); /* false: no memory */
struct s2s_question *s2s_turns_take(struct s2s_turns *t);				     /* NULL: none */
struct s2s_question *s2s_turns_overdue(struct s2s_turns *t, uint64_t now_ms);		     /* one, taken out; NULL: none */

/* questions.c: keys that came in are verified by the server of their sender, over verify pairs */
/* Asks the server of the key's sender, on behalf of stream `asker`. */
void s2s_questions_ask(const struct s2s_conn *asker, const struct xfed_s2s_question *asked);
void s2s_questions_tell(void *s2s); /* tells the verdicts to the streams that the keys came from */
void s2s_verdicts_free(struct s2s *s);
void s2s_questions_reply(struct s2s_conn *c, const struct xfed_dialback_elem *verify); /* our answer as authoritative server */
void s2s_questions_go_on(void *pair);						       /* to be called when the stream is ready, or has room again */
void s2s_questions_answered(struct s2s_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict);
void s2s_questions_fail(struct s2s_pair *p, bool was_open); /* fails all questions of the pair */
void s2s_questions_tick(struct s2s_pair *p, uint64_t now_ms);
void s2s_questions_free(struct s2s_pair *p);

#endif
