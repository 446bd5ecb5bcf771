//! What a step of the fold changed, for whoever publishes it.

use std::collections::{BTreeMap, BTreeSet};

use ringside_model::{Alert, CallChange, CampaignId, Event, Notification, StatusChange, TenantId};

/// News, in the order in which they came, and which states are not what they were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Calls that became another by a fact.
    pub calls: Vec<(TenantId, CallChange)>,
    /// Campaigns that changed their status.
    pub statuses: Vec<(TenantId, StatusChange)>,
    /// Transitions of alerts, for the tenant's room.
    pub alerts: Vec<(TenantId, Alert)>,
    /// Notifications that are new.
    pub notifications: Vec<(TenantId, Notification)>,
    /// Events for the tenant's own partition, which may be this one; the owner appends them to its log.
    pub derived: Vec<Event>,
    /// Campaigns whose metrics or series changed, by tenant.
    pub dirty_campaigns: BTreeMap<TenantId, BTreeSet<CampaignId>>,
    /// Tenants with new metric samples.
    pub dirty_metrics: BTreeSet<TenantId>,
    /// Tenants with news of their hosts.
    pub dirty_hosts: BTreeSet<TenantId>,
    /// Tenants with a campaign that is new or has another name or status.
    pub dirty_directory: BTreeSet<TenantId>,
}

impl Changes {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.statuses.clear();
        self.alerts.clear();
        self.notifications.clear();
        self.derived.clear();
        self.dirty_campaigns.clear();
        self.dirty_metrics.clear();
        self.dirty_hosts.clear();
        self.dirty_directory.clear();
    }

    /// True where nothing changed.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.statuses.is_empty()
            && self.alerts.is_empty()
            && self.notifications.is_empty()
            && self.derived.is_empty()
            && self.dirty_campaigns.is_empty()
            && self.dirty_metrics.is_empty()
            && self.dirty_hosts.is_empty()
            && self.dirty_directory.is_empty()
    }

    pub(super) fn touch_campaign(&mut self, tenant: &TenantId, campaign: &CampaignId) {
        if let Some(campaigns) = self.dirty_campaigns.get_mut(tenant) {
            if !campaigns.contains(campaign) {
                campaigns.insert(campaign.clone());
            }
        } else {
            self.dirty_campaigns.insert(tenant.clone(), BTreeSet::from([campaign.clone()]));
        }
    }
}

/// Notes a tenant in a set, without a copy where it is there already.
pub(super) fn touch(tenants: &mut BTreeSet<TenantId>, tenant: &TenantId) {
    if !tenants.contains(tenant) {
        tenants.insert(tenant.clone());
    }
}
