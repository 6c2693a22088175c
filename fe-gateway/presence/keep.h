/*
 * Watches outlive the process: each is stored, with its dialog, from the 200 to its SUBSCRIBE until it ends. After a start they are resumed,
 * max(50, 1 % of all contacts) a second; a device is notified when its contact's server has answered the probe, or after a minute. Where a
 * row was lost the device's next refresh gets 481, and it subscribes anew. Inside the room only.
 */
#ifndef GATEWAY_PRESENCE_KEEP_H
#define GATEWAY_PRESENCE_KEEP_H

#include "presence/presence_impl.h"

struct keep;

/* Reads the stored watches; before the store is started. OK, NOMEM; LIBRARY: `error` has a sentence. */
int keep_load(struct presence *p, struct store *s, char error[256]);
void keep_tick(struct presence *p, size_t most); /* resumes up to `most` watches, and retries a failed write */
void keep_flush(struct presence *p);		 /* the end of a turn: what has changed goes to the store */
void keep_stop(struct presence *p);		 /* what is left goes to the store now */
void keep_free(struct presence *p);		 /* after the store has stopped */

/* watch.c. A watch in the state after its first NOTIFY was taken; NULL: NOMEM, or no such domain. The second one notifies resumed watches. */
struct watch *watch_resume(struct pair *pair, int64_t expires_s);
void watches_tell_untold(struct pair *pair);

void keep_watch(struct watch *w);		   /* stores it until its expiry, or deletes it where it has ended */
void keep_drop(struct watch *w);		   /* it goes; one whose way was not found yet is in the store as before */
void keep_located(struct watch *w, bool is_found); /* the next hop of a resumed watch is resolved, or cannot be */

#endif
