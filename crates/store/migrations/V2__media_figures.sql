-- How the audio of a call was: packets, loss, jitter, round trip, opinion, both ways.
-- JSON as `Audio` of the domain writes it; NULL when there was no audio to judge.
ALTER TABLE attempt ADD COLUMN media TEXT;
