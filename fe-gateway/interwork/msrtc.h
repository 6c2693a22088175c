/*
 * Presence as clients and servers of the Lync family show it: enhanced presence (application/msrtc-event-categories+xml), what was before it
 * (text/xml+msrtc.pidf), and PIDF with the activities of RPID's drafts. A note or a finer state is shown from the first two only. Each
 * document is about one user and has one state, that of his first device in the order of iw_device_is_before().
 */
#ifndef GATEWAY_INTERWORK_MSRTC_H
#define GATEWAY_INTERWORK_MSRTC_H

#include "interwork/pidf.h"

/* X(id, media type), the richest first. */
#define IW_MSRTC_FORMATS(X)                                                                                                                          \
	X(CATEGORIES, "application/msrtc-event-categories+xml")                                                                                      \
	X(PRESENTITY, "text/xml+msrtc.pidf")                                                                                                         \
	X(PIDF, IW_PIDF_TYPE)

enum iw_msrtc_format {
#define IW_MSRTC_FORMAT_ID(id, type) IW_MSRTC_##id,
	IW_MSRTC_FORMATS(IW_MSRTC_FORMAT_ID)
#undef IW_MSRTC_FORMAT_ID
		IW_MSRTC_FORMATS_COUNT
};

const char *iw_msrtc_type(enum iw_msrtc_format f);
/* The format of a media type, "type/subtype" without parameters and in any case; false: none of these. */
bool iw_msrtc_format_of(struct xfed_span media_type, enum iw_msrtc_format *out);

/*
 * What a client shows, by availability: X(id, from, number, show, activity, number of msrtc.pidf, token, words). `from`: the least number that
 * is read as this; `number`: the one that is written. Read, it becomes the show, or where that is NONE the activity, whose show can be
 * configured (interwork/presence_map.h). `words`: what XMPP has no show for; NULL: it has, or nothing is to be said.
 */
#define IW_MSRTC_STATES(X)                                                                                                                           \
	X(UNKNOWN, 0, 18500, NONE, COUNT, 0, NULL, NULL) /* Office Communications Server 2007: nothing is known; closed */                           \
	X(AVAILABLE, 3000, 3500, NONE, COUNT, 400, NULL, NULL)                                                                                       \
	X(IDLE, 4500, 5000, AWAY, COUNT, 200, NULL, "Inactive")                                                                                      \
	X(BUSY, 6000, 6500, NONE, BUSY, 600, "busy", "Busy")                                                                                         \
	X(BUSY_IDLE, 7500, 7500, NONE, BUSY, 600, "busy", "Busy, inactive")                                                                          \
	X(DO_NOT_DISTURB, 9000, 9500, DND, COUNT, 600, NULL, NULL)                                                                                   \
	X(BE_RIGHT_BACK, 12000, 12500, AWAY, COUNT, 300, "be-right-back", "Be right back")                                                           \
	X(AWAY, 15000, 15500, NONE, AWAY, 100, "away", NULL)                                                                                         \
	X(OFFLINE, 18000, 18500, NONE, COUNT, 0, NULL, NULL) /* closed */

enum iw_msrtc_state {
#define IW_MSRTC_STATE_ID(id, from, number, show, activity, old, token, words) IW_MSRTC_##id,
	IW_MSRTC_STATES(IW_MSRTC_STATE_ID)
#undef IW_MSRTC_STATE_ID
		IW_MSRTC_STATES_COUNT
};

/*
 * What a user does within a state: X(activity, token, state, number of msrtc.pidf, words). The first of an activity is written; all are read.
 * A number of 0: msrtc.pidf has that of the state.
 */
#define IW_MSRTC_TOKENS(X)                                                                                                                           \
	X(ON_THE_PHONE, "on-the-phone", BUSY, 500, "In a call")                                                                                      \
	X(MEETING, "in-a-meeting", BUSY, 0, "In a meeting")                                                                                          \
	X(MEETING, "in-a-conference", BUSY, 0, "In a conference")                                                                                    \
	X(APPOINTMENT, "in-a-meeting", BUSY, 0, "In a meeting")                                                                                      \
	X(PRESENTATION, "in-presentation", DO_NOT_DISTURB, 0, "Presenting")                                                                          \
	X(VACATION, "out-of-office", AWAY, 0, "Out of office")                                                                                       \
	X(HOLIDAY, "out-of-office", AWAY, 0, "Out of office")                                                                                        \
	X(LUNCH, NULL, AWAY, 150, "Out to lunch")                                                                                                    \
	X(COUNT, "off-work", AWAY, 0, "Off work")                                                                                                    \
	X(COUNT, "urgent-interruptions-only", DO_NOT_DISTURB, 0, "Urgent interruptions only")

struct iw_msrtc_token {
	enum iw_activity activity; /* IW_ACTIVITIES_COUNT: RPID has none */
	const char *token;	   /* NULL: only a number of msrtc.pidf */
	enum iw_msrtc_state state;
	unsigned old;
	const char *words;
};

/* Of whom it is. */
struct iw_msrtc_subject {
	struct xfed_span address; /* "user@domain", as in a SIP URI: each format has it in its own form, and is not understood in another */
	struct xfed_span display; /* his name; data NULL: not known */
};

/*
 * Appends a document. If the buffer's limit is too small the note is left out. XFED_OK; XFED_ERR_LIMIT: not even the state fits;
 * XFED_ERR_NOMEM. On failure the buffer is unchanged.
 */
int iw_msrtc_write(struct xfed_buf *out, enum iw_msrtc_format f, const struct iw_presence *p, const struct iw_msrtc_subject *of);

/*
 * Reads a document of the first two formats; its root says which. One device without a name, whose notes are what the user wrote, else the
 * finer state in words; `entity` is a sip: URI. `*has_state` false: the document does not say it, and what was known of it stays (a note
 * that changed is told alone): there is no device, and the note is the person's. Otherwise as iw_pidf_read().
 */
enum iw_pidf_result iw_msrtc_read(struct xfed_arena *a, struct xfed_span body, struct iw_presence *out, bool *has_state);

/* ---- the tables, for both directions ---- */

enum iw_msrtc_state iw_msrtc_state_of(uint64_t availability);
enum iw_msrtc_state iw_msrtc_state_of_old(uint64_t activity); /* the number of msrtc.pidf */
/* What a device is shown as, with what it and the person do. */
enum iw_msrtc_state iw_msrtc_state_of_device(const struct iw_device *d, iw_activity_set activities);
unsigned iw_msrtc_number(enum iw_msrtc_state s);
unsigned iw_msrtc_old(enum iw_msrtc_state s); /* the number of msrtc.pidf */
bool iw_msrtc_is_open(enum iw_msrtc_state s);
const char *iw_msrtc_word(enum iw_msrtc_state s); /* its token; NULL: none */
const char *iw_msrtc_words(enum iw_msrtc_state s);
/* Fills in show and activities of a device that is in this state. */
void iw_msrtc_apply(enum iw_msrtc_state s, struct iw_device *d);
/* NULL: there is none. */
const struct iw_msrtc_token *iw_msrtc_token_of_word(struct xfed_span token);
const struct iw_msrtc_token *iw_msrtc_token_of_old(uint64_t activity);
const struct iw_msrtc_token *iw_msrtc_token_of(iw_activity_set activities);

#endif
