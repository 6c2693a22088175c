/*
 * im: messages, both ways: outside a session (page mode, RFC 3428 and RFC 7572), or in one, as the user's domain has it. A stanza from an
 * edge becomes a MESSAGE request, a MESSAGE request becomes a stanza for an edge; each ends exactly once, and its sender is told.
 *
 *   outgoing   a message on its way to SIP       incoming   a message on its way to XMPP
 *   attempt    an outgoing message between its queue and its outcome (attempts.h)
 *   hold       a SIP response that waits for an error of the contact's server (hold.h)
 *
 * May call sessions, deliver, contacts, channel, trunk, journal, policy, config and core, and the libraries sip/ and interwork/.
 */
#ifndef GATEWAY_IM_IM_H
#define GATEWAY_IM_IM_H

#include "channel/channel.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "deliver/deliver.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "sessions/sessions.h"
#include "trunk/trunk.h"

struct im;

/* ---- the room ---- */

struct im_rooms {
	struct core *core;
	const struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct deliver *deliver;
	struct sessions *sessions;
};
/* OK, or an error of trunk_use(); im_free() has to follow in both cases. */
int im_new(const struct im_rooms *below, struct im **out);
void im_free(struct im *im);  /* after the loop has ended; NULL is fine */
void im_flush(struct im *im); /* at the end of a turn: sends responses and requests */
void im_tick(struct im *im, uint64_t now_ms);
void im_reloaded(struct im *im);

void im_drain(struct im *im); /* from here on requests are refused, and held responses are sent */
bool im_is_quiet(const struct im *im);
void im_give_up(struct im *im); /* towards SIP: refuses what was not attempted; the rest becomes uncertain */
void im_close(struct im *im);	/* answers every open request; outcomes that come later are ignored */

/* ---- a message that an operator sends in a user's name ---- */

/*
 * From im_try() to im_leave(), in its owner. The message goes as one that has come from SIP does, with the same gates and one fate; an error
 * of the contact's server is waited for as long as `hold_ms`, whatever is known of the contact. The functions are called from the loop,
 * never from inside im_try().
 */
struct im_trial {
	struct xfed_span local, remote; /* bare JIDs; local: with the domain it has outside */
	uint64_t hold_ms;
	void (*taken)(struct im_trial *t); /* the partner's server has it, as far as it says */
	/* Its fate, once: NONE, as no error came, or why not, with what was said of it. */
	void (*ended)(struct im_trial *t, enum xfed_reason reason, const char *text);
	void (*heard)(struct im_trial *t); /* the contact has written to the user; perhaps several times */
	struct incoming *incoming;	   /* the room's, as is what follows */
	struct im_trial *prev, *next;
};
int im_try(struct im *im, struct im_trial *t, struct xfed_span text); /* OK; NOMEM, INVALID: an address is none, there is no trial then */
void im_leave(struct im *im, struct im_trial *t);		      /* what is under way goes on, and nobody hears of it */

struct im_load {
	size_t to_sip, held; /* messages in flight; responses that are held */
	size_t late;	     /* past their deadline without an outcome */
};
struct im_load im_load(const struct im *im);

/* ---- called by the channel ---- */

/* As in struct channel_user. (For stanzas of edges and requests of SIP im has registered itself with deliver and trunk.) */
void im_acked(struct im *im, uint64_t cookie);
void im_refused(struct im *im, uint64_t cookie);
void im_run_ended(struct im *im, uint64_t run, bool may_take_over);
void im_outcome(struct im *im, struct xfed_span stanza_id, const struct proto_result *r);

#endif
