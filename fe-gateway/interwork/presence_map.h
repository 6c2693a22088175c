/*
 * Translates between <show/> of XMPP and activities of RPID. No standard defines it (RFC 8048 section 6.2 leaves show out of its table):
 * [B5-16] is the default, and each row can be configured ("presence: {on-the-phone: away, xmpp-dnd: meeting}").
 */
#ifndef GATEWAY_INTERWORK_PRESENCE_MAP_H
#define GATEWAY_INTERWORK_PRESENCE_MAP_H

#include "interwork/presence.h"

/* First a row per activity, whose value is a show; then a row per show, whose value is an activity. */
#define IW_PRESENCE_MAP_ROWS (IW_ACTIVITIES_COUNT + IW_SHOWS_COUNT - 1)

/* X(id, key, activity), in the order of IW_SHOWS behind its first. */
#define IW_SHOW_ROWS(X) X(CHAT, "xmpp-chat", "none") X(AWAY, "xmpp-away", "away") X(XA, "xmpp-xa", "away") X(DND, "xmpp-dnd", "busy")

/* Opaque outside presence_map.c; may be copied. */
struct iw_presence_map {
	uint8_t rows[IW_PRESENCE_MAP_ROWS];
};

void iw_presence_map_init(struct iw_presence_map *m); /* sets the defaults */

/*
 * What a configuration says of some rows, with the key of each: an activity of RFC 4480 ("on-the-phone"), or "xmpp-" and a show ("xmpp-dnd").
 * 0: nothing; else of the former an enum iw_show and one, of the latter an enum iw_activity, or IW_ACTIVITIES_COUNT for none, and one.
 */
struct iw_presence_choice {
	int rows[IW_PRESENCE_MAP_ROWS];
};
#define IW_PRESENCE_ROW_OF_SHOW(show) (IW_ACTIVITIES_COUNT + (show)-1)

void iw_presence_map_choose(struct iw_presence_map *m, const struct iw_presence_choice *c);
bool iw_presence_choice_is_made(const struct iw_presence_choice *c); /* of any row */

/* Rows in order, below IW_PRESENCE_MAP_ROWS; for listings and the manual page. Literals. */
const char *iw_presence_map_key(size_t row);
const char *iw_presence_map_value(const struct iw_presence_map *m, size_t row);
bool iw_presence_map_is_activity(size_t row); /* its key is an activity: the row is used towards XMPP */

/*
 * Towards XMPP, after iw_pidf_read(): open devices without show get the least reachable one that their activities and the person's stand
 * for; devices without notes or idle time get the person's. The notes are copied, their strings are not.
 */
void iw_presence_map_to_xmpp(const struct iw_presence_map *m, struct iw_presence *p);

/* Towards SIP, before iw_pidf_write(): the person gets the activity for the show of the first device in the order of iw_device_is_before(). */
void iw_presence_map_to_sip(const struct iw_presence_map *m, struct iw_presence *p);

#endif
