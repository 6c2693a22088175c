/*
 * Watches outlive the process: each is in the store, with its dialog, from the answer to its SUBSCRIBE until it ends. After a start they
 * are taken up again, a few a second; the devices are told what the contacts' servers answer, or at the latest with the end of that
 * doubt. Whatever is lost of it, a device gets 481 to its next refresh and begins anew. Inside the room only.
 */
#ifndef GATEWAY_PRESENCE_KEEP_H
#define GATEWAY_PRESENCE_KEEP_H

#include "presence/presence_impl.h"

struct keep;

/* Before the store is started. OK; NOMEM, LIBRARY with a sentence. */
int keep_load(struct presence *p, struct store *s, char error[256]);
void keep_tick(struct presence *p, size_t most); /* takes up so many, and tries again what could not be written */
void keep_flush(struct presence *p);		 /* the end of a turn: what has changed goes to the store */
void keep_stop(struct presence *p);		 /* what is left goes to the store now */
void keep_free(struct presence *p);		 /* behind the store's end */

/* watch.c: one that was up, of which nothing is told yet; NULL: NOMEM. What there is of that kind is told. */
struct watch *watch_resume(struct pair *pair, int64_t expires_s);
void watches_tell_untold(struct pair *pair);

void keep_watch(struct watch *w);		   /* it is up until its expiry, or has ended */
void keep_drop(struct watch *w);		   /* it goes; one whose way was not found yet is in the store as before */
void keep_located(struct watch *w, bool is_found); /* the way of one that is taken up */

#endif
