use super::*;

const CAMPAIGN: CampaignId = CampaignId(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

#[test]
fn a_campaign_that_stands_still_is_found_out_unless_it_cannot_dial() {
    let mut judge = Judge::default();
    assert_eq!(judge.look(CAMPAIGN, true, at(0)), Ok(()));
    assert_eq!(judge.look(CAMPAIGN, false, at(200)), Ok(()));
    assert_eq!(judge.look(CAMPAIGN, true, at(210)), Ok(()));
    assert_eq!(judge.look(CAMPAIGN, true, at(500)), Ok(()));
    let what = judge.look(CAMPAIGN, true, at(541)).unwrap_err();
    assert!(what.contains("stands still, though it could dial"), "{what}");
}

#[test]
fn leases_without_a_rest_are_found_out_unless_they_bring_somebody() {
    let mut judge = Judge::default();
    for _ in 0..100 {
        assert_eq!(judge.lease(CAMPAIGN, at(0)), Ok(()));
        judge.leased(CAMPAIGN);
    }
    for second in 0..100 {
        assert_eq!(judge.lease(CAMPAIGN, at(second)), Ok(()), "one a second is patience");
    }
    let asked: Check = (0..=LEASES_IN_VAIN_MAX).try_for_each(|_| judge.lease(CAMPAIGN, at(200)));
    assert!(asked.unwrap_err().contains("again and again"));
}
