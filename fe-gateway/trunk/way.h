/*
 * Where a request inside a dialog is sent. Contact and Record-Route are claims of a peer, so they are followed only to an address that is a
 * peer of the dialog's domain. Otherwise the request goes along the dialog's own way, if a peer is at its other end or we have chosen that
 * end ourselves. Names are not looked up: they are written into the request, for the servers on the way. Pure.
 */
#ifndef GATEWAY_TRUNK_WAY_H
#define GATEWAY_TRUNK_WAY_H

#include "sip/dialog.h"
#include "trunk/trust.h"

struct way_facts {
	const struct sip_dialog *dialog;
	struct sip_target own;		 /* where the dialog was set up, or where the peer's last request came from */
	bool is_ours;			 /* a request of ours chose it: a place of the next hop */
	const struct trust_peer *behind; /* who is at the other end of the connection own.flow; NULL: it is closed, or there is none */
	bool is_dialled;		 /* we opened that connection */
	bool is_large;			 /* the request is too large for UDP */
};

/* `peers`: those of the domain. False: there is no way, and the dialog is to be given up. */
bool way_inside(const struct config_senders *peers, const struct way_facts *f, struct sip_target *out);

#endif
