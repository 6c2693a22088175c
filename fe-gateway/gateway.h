/*
 * xfed-gateway: puts the rooms together. One struct gateway per process; everything in it belongs to the loop's thread. Only gateway.c and
 * main.c see all rooms; a new part is a room and a line in the table of gateway.c.
 *
 *   panel      web pages for people who run it
 *   service    going in and out of service
 *   admin      commands of xfedctl
 *   presence   presence and subscriptions, both ways
 *   im         messages, both ways
 *   sessions   INVITE and its dialogs, in which messages of some domains go
 *   deliver    stanzas from the edges, checked and handed to im or presence
 *   contacts   what is known of pairs of a local user and a contact
 *   trunk      SIP: sockets, transactions, next hops
 *   channel    the links to the edges
 *   journal    failed attempts
 *   policy     what the files say, its revision, reload
 *   store      what has to survive a restart
 *   config     gateway.yaml
 *   core       loop, metrics, resolver, ids
 *
 * A room calls those below it in this list, never one above; channel and trunk do not call each other, nor do im and presence.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "policy/policy.h"

struct gateway;

/* Takes over `files`. XFED_OK, or an error with one sentence in `error`; gateway_free() has to follow in both cases. */
int gateway_new(const char *config_path, struct policy_files *files, struct gateway **out, char error[256]);
void gateway_run(struct gateway *g);  /* returns when the gateway has left service */
void gateway_free(struct gateway *g); /* NULL is fine */

#endif
